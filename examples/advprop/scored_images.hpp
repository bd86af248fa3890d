// What a network makes of a set of images.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <advprop/io/metrics.hpp>
#include <advprop/robustness/cue_conflict.hpp>

#include "image_source.hpp"
#include "target.hpp"

namespace advprop::program {

/// Images, and how the network's answers to them are read.
struct question {
  image_source images;
  std::vector<int> logit_of;       // of each of their classes; empty: class k is logit k
  bool only_those = false;         // only these logits compete
  bool each = false;               // the answer to every image is kept
  robustness::cue_classes choice;  // where there are cues: what a picture is decided for
  std::vector<robustness::cue_decision> cues;
};

struct image_scores {
  struct mistake {
    int image, predicted;  // predicted: a logit
    double confidence;
  };
  int images = 0, top1 = 0, top5 = 0;  // how many, and how many of them right
  double loss = 0;
  double calibration_l1 = 0, calibration_rms = 0;
  std::vector<int> predicted;        // of every image, where they are kept: a logit
  std::vector<double> confidences;   // likewise
  std::vector<mistake> surest;       // wrong with the largest confidence
  int by_shape = 0, by_texture = 0;  // of pictures whose cues differ
  double shape_bias = 0;

  double error() const { return 1 - static_cast<double>(top1) / images; }
  double top5_error() const { return 1 - static_cast<double>(top5) / images; }
};

/// The same bits for any number of threads. `done(n)` is told of n images after each batch.
image_scores score(any_target& target, const question& q, int threads, const std::function<void(int)>& done);

/// Images [first, first + count), read by several threads.
image_batch read_together(const image_source& s, int first, int count, int threads);

metrics_entry to_json(const image_scores& r);
image_scores image_scores_of(const metrics_entry& j);

}  // namespace advprop::program
