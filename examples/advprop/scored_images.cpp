// Logits to scores.
#include "scored_images.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <advprop/core/parallel.hpp>
#include <advprop/io/text.hpp>
#include <advprop/robustness/scores.hpp>

namespace advprop::program {

namespace {

constexpr int scored_at_once = 250;
constexpr std::size_t kept_mistakes = 12;

struct answer {
  int predicted;  // a logit
  double confidence, loss;
};

/// Of the competing logits.
answer answer_of(const float* z, const std::vector<int>& competing, int label) {
  int best = competing[0];
  for (const int k : competing)
    if (z[k] > z[best]) best = k;
  double sum = 0;
  for (const int k : competing) sum += std::exp(double{z[k]} - double{z[best]});
  return {best, 1 / sum, std::log(sum) + double{z[best]} - double{z[label]}};
}

}  // namespace

image_batch read_together(const image_source& s, int first, int count, int threads) {
  const shape image = s.image();
  image_batch b{tensor<float, 4>({count, image.height, image.width, image.channels}), tensor<int, 1>({count})};
  rethrow_first(parallel_try(threads, count, [&](std::ptrdiff_t i) {
    s.read(first + static_cast<int>(i), b.images.data() + i * image.size());
  }));
  for (int i = 0; i < count; ++i) b.labels(i) = s.label(first + i);
  return b;
}

image_scores score(any_target& target, const question& q, int threads, const std::function<void(int)>& done) {
  image_scores r;
  r.images = q.images.size();
  const int classes = target.classes();
  std::vector<int> competing = q.only_those ? q.logit_of : std::vector<int>();
  if (competing.empty())
    for (int k = 0; k < classes; ++k) competing.push_back(k);
  const auto logit = [&](int label) {
    return q.logit_of.empty() ? label : q.logit_of[static_cast<std::size_t>(label)];
  };
  std::vector<float> confidences;
  std::vector<char> correct;
  std::vector<robustness::cue_decision> cues = q.cues;
  double loss = 0, right = 0, right5 = 0;
  for (int first = 0; first < r.images; first += scored_at_once) {
    const int n = std::min(scored_at_once, r.images - first);
    image_batch b = read_together(q.images, first, n, threads);
    const auto z = target.logits_of(b.images.view());
    for (int i = 0; i < n; ++i) {
      const float* row = z.data() + std::ptrdiff_t{i} * classes;
      if (!cues.empty()) {
        cues[static_cast<std::size_t>(first + i)].decided = q.choice.decide({row, static_cast<std::size_t>(classes)});
        continue;
      }
      const int label = logit(b.labels(i));
      const answer a = answer_of(row, competing, label);
      if (!(std::isfinite(a.loss)))
        fail<numeric_error>("the network's loss is not a finite number for image ", first + i);
      confidences.push_back(static_cast<float>(std::min(a.confidence, 1.0)));
      correct.push_back(a.predicted == label);
      if (q.each) {
        r.predicted.push_back(a.predicted);
        r.confidences.push_back(metrics_entry::parse(significant(std::min(a.confidence, 1.0), 6)));
      }
      loss += a.loss;
      if (a.predicted != label) r.surest.push_back({first + i, a.predicted, a.confidence});
      if (!q.only_those) b.labels(i) = label;  // with a subset, labels are places in it already
    }
    if (cues.empty()) {
      const std::vector<int> subset = q.only_those ? competing : std::vector<int>();
      const_label_view labels = std::as_const(b.labels).view();
      right += robustness::top_k(z.view(), labels, 1, subset) * n;
      right5 += robustness::top_k(z.view(), labels, 5, subset) * n;
    }
    std::stable_sort(r.surest.begin(), r.surest.end(),
                     [](const auto& a, const auto& c) { return a.confidence > c.confidence; });
    r.surest.resize(std::min(r.surest.size(), kept_mistakes));
    done(n);
  }
  if (!cues.empty()) {
    for (const auto& d : cues) {
      if (d.shape == d.texture) continue;
      r.by_shape += d.decided == d.shape;
      r.by_texture += d.decided == d.texture;
    }
    if (r.by_shape + r.by_texture > 0) r.shape_bias = robustness::shape_bias(cues);
    return r;
  }
  r.top1 = static_cast<int>(std::lround(right));
  r.top5 = static_cast<int>(std::lround(right5));
  r.loss = loss / r.images;
  r.calibration_l1 = robustness::calibration_error(confidences, correct, robustness::calibration::l1);
  r.calibration_rms = robustness::calibration_error(confidences, correct, robustness::calibration::rms);
  return r;
}

metrics_entry to_json(const image_scores& r) {
  metrics_entry j;
  j["images"] = r.images;
  if (r.by_shape + r.by_texture > 0) {
    j["by_shape"] = r.by_shape;
    j["by_texture"] = r.by_texture;
    j["shape_bias"] = r.shape_bias;
  }
  j["top1"] = r.top1;
  j["top5"] = r.top5;
  j["loss"] = r.loss;
  j["calibration_l1"] = r.calibration_l1;
  j["calibration_rms"] = r.calibration_rms;
  if (!r.predicted.empty()) j["predicted"] = r.predicted, j["confidence"] = r.confidences;
  j["surest_mistakes"] = metrics_entry::array();
  for (const auto& m : r.surest) j["surest_mistakes"].push_back({m.image, m.predicted, m.confidence});
  return j;
}

image_scores image_scores_of(const metrics_entry& j) {
  image_scores r;
  r.images = j.at("images");
  r.by_shape = j.value("by_shape", 0);
  r.by_texture = j.value("by_texture", 0);
  r.shape_bias = j.value("shape_bias", 0.0);
  r.top1 = j.at("top1");
  r.top5 = j.at("top5");
  r.loss = j.at("loss");
  r.calibration_l1 = j.at("calibration_l1");
  r.calibration_rms = j.at("calibration_rms");
  r.predicted = j.value("predicted", std::vector<int>());
  r.confidences = j.value("confidence", std::vector<double>());
  for (const auto& m : j.at("surest_mistakes")) r.surest.push_back({m.at(0), m.at(1), m.at(2)});
  return r;
}

}  // namespace advprop::program
