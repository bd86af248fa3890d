// What the command line says.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <advprop/io/metrics.hpp>

namespace advprop::program {

/// Epsilon and step in pixels of 255; counts of images: 0 is all. The lists that describe attacks have one entry, for
/// all auxiliary domains, or one for each.
struct settings {
  std::string data = "fashion-mnist", data_dir, normalization = "dataset";
  int train_images = 0, test_images = 0;
  bool augment = true;

  std::string model = "resnet20";
  bool zero_last_scale = false;

  std::string method = "advprop";
  int auxiliaries = 1;
  std::vector<std::string> attacks;
  std::vector<float> epsilons = {4}, step_sizes = {1};
  std::vector<int> steps = {5};
  std::string goal = "untargeted", start = "uniform", attack_statistics = "running";
  float clean_start = 0;
  bool adversarial_only = false;
  std::string execution = "sequential";
  std::vector<float> weights;  // clean, then each auxiliary domain

  int epochs = 15, batch = 128;
  std::string optimizer = "sgd";
  float learning_rate = 0.1f, momentum = 0.9f, weight_decay = 5e-4f, clip_norm = 0, label_smoothing = 0;
  bool nesterov = false;
  std::string schedule = "cosine";
  double warm_up = 0;
  std::vector<double> milestones;
  std::uint64_t seed = 1;
  int threads = 0, workers = 2;

  std::string out;
  bool resume = false, force = false;
  int checkpoint_steps = 0;

  // What is measured after training.
  int robust_images = 1000, robust_steps = 10;
  std::vector<float> robust_epsilons;

  // `evaluate` alone.
  std::string checkpoint, domain = "main";
};

/// The settings with everything filled in that follows from others, and checked. Throws `argument_error`.
settings resolved(settings s);

/// All that a training run depends on, in the order of the program's help; names as on the command line.
metrics_entry to_json(const settings& s);

/// The same as texts.
std::vector<std::pair<std::string, std::string>> described(const settings& s);

/// What must not change when a run is resumed: what decides its bits.
std::string identity(const settings& s);

}  // namespace advprop::program
