// What the command line says.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <advprop/io/metrics.hpp>

namespace advprop::program {

/// Epsilon and step in pixels of 255; counts of images: 0 is all. The lists that describe attacks have one entry, for
/// all auxiliary domains, or one for each.
struct settings {
  std::set<std::string> given;  // options, such as "--model", that the command line or its configuration has

  std::string data = "fashion-mnist", data_dir, normalization = "dataset";
  int train_images = 0, test_images = 0;
  double validation = 0;  // training images that are set aside: below 1 a share of them, else their number
  std::string augment = "basic";
  std::vector<std::string> aux_augments;  // one for all auxiliary domains, or one for each
  int magnitude = 9;                      // of RandAugment
  float color_jitter = 0, random_erasing = 0, mixup = 0, cutmix = 0;
  // Images in folders.
  int image_size = 0;  // 0: the network's
  float crop_scale = 0.08f;
  double crop_fraction = 0.875;
  std::string interpolation = "bicubic", broken = "fail";
  int cache = 0;  // MiB

  std::string model = "resnet20";
  bool zero_last_scale = false;
  float stochastic_depth = -1;  // below 0: the network's own
  bool matched_noise = false, attack_noise = false;
  std::string initial;  // a checkpoint to begin from
  bool keep_classifier = true;

  std::string method = "advprop";
  int auxiliaries = 1;
  std::vector<std::string> attacks;
  std::vector<float> epsilons, step_sizes;  // unset: what suits the attack's norm
  std::vector<int> steps = {5};
  std::string goal = "untargeted", start = "uniform", attack_statistics = "running";
  float clean_start = 0;
  bool adversarial_only = false;
  std::string execution = "sequential";
  std::vector<float> weights;  // clean, then each auxiliary domain
  std::vector<float> shares;   // one for all auxiliary domains, or one for each
  bool decoupled = false;

  int epochs = 15, batch = 128;
  int micro_batch = 0;          // images of a domain that go through the network at a time; 0: the batch
  std::string select = "last";  // whose weights are tested and saved
  int patience = 0;             // epochs in a row without a better one after which training ends; 0: none
  std::string optimizer = "sgd";
  std::optional<float> learning_rate, weight_decay;  // unset: the optimizer's own
  std::optional<bool> decay_biases;                  // likewise
  bool decay_norms = false;                          // and biases
  float momentum = 0.9f, clip_norm = 0, label_smoothing = 0;
  bool nesterov = false;
  float rms_decay = 0.9f, beta1 = 0.9f, beta2 = 0.999f;
  float optimizer_epsilon = 0;           // 0: the optimizer's own
  std::vector<std::string> layer_rates;  // "NAME=FACTOR"
  double average = 0;                    // decay of the moving average of the weights; 0: none
  std::string schedule = "cosine";
  double warm_up = 0, decay_rate = 0.97, decay_every = 2.4;
  std::vector<double> milestones;
  std::uint64_t seed = 1;
  int seeds = 1;  // `compare`: that one and those that follow
  int threads = 0, workers = 2;
  std::string convolution = "fastest";
  std::string device = "cpu", engines = "timed";

  std::string config;  // what it said is in the other settings
  std::string out;
  bool resume = false, force = false;
  int checkpoint_steps = 0;

  // What is measured after training.
  int robust_images = 1000, robust_steps = 10, corruption_images = 1000;
  std::vector<float> robust_epsilons;
  std::optional<float> headline;  // the strength that results are named by; unset: what is trained against

  // `evaluate`: one checkpoint or several, their networks, domains and input stages.
  std::vector<std::string> checkpoints, titles, models, domains, normalizations;
  std::vector<std::string> corruptions;
  std::vector<int> severities = {1, 2, 3, 4, 5};
  std::string frost, corrupted;  // folders: frost pictures; published corrupted images
  std::string cifar10_1, imagenet_a, imagenet_r, stylized, cue_conflict, class_list;
  std::vector<std::string> robust_attacks;
  std::string robust_norm = "linf";
  int attack_steps = 100, robust_restarts = 1, robust_queries = 5000;

  // `evaluate`, `export`, `convert` and `predict`.
  std::string checkpoint, domain = "main";
  std::string names = "native";
  int channels = 3, classes = 10;
  bool fold = true;
  int sets = 0;                     // auxiliary ones to write
  std::vector<std::string> images;  // files, and folders of them
  int top = 5;                      // classes told of each
};

/// Height and width that a network is meant for.
int native_size(const std::string& model);

/// The settings with everything filled in that follows from others, and checked. Throws `argument_error`.
settings resolved(settings s);

/// Fills in the lists that describe `count` attacks.
void complete_attacks(settings& s, int count);

/// All that a training run depends on, in the order of the program's help; names as on the command line.
metrics_entry to_json(const settings& s);

/// The same as texts.
std::vector<std::pair<std::string, std::string>> described(const settings& s);

/// A path as JSON and reports can hold it: bytes that are not UTF-8 are U+FFFD.
std::string in_utf8(const std::string& path);

/// Whether auxiliary domain i reads images of its own. Of settings that are `resolved`.
bool own_stream(const settings& s, std::size_t i);

/// Hashes of a run's images.
struct data_contents {
  std::string training;  // with those that are set aside
  std::string test;
};

/// What must not change when a run is resumed: what decides its bits and what its epochs are measured on. How many
/// epochs there are is not of it where that decides none of them.
std::string identity(const settings& s, const data_contents& content);

/// Throws `argument_error` where `--out` names one of the files that are read.
void check_output(const settings& s, const std::vector<std::string>& inputs);

/// In which members two objects differ: "seed was 1, is 2; batch was ...".
std::string changes(const metrics_entry& old, const metrics_entry& now);

}  // namespace advprop::program
