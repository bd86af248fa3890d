// The worst case over several attacks, in AutoAttack's manner, with a record of how it was measured.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/robustness/apgd.hpp>
#include <advprop/robustness/fab.hpp>
#include <advprop/robustness/square.hpp>

namespace advprop::robustness {

enum class evaluation_attack { apgd_cross_entropy, apgd_targeted, square, fab };
inline constexpr std::array<evaluation_attack, 4> evaluation_attacks{evaluation_attack::apgd_cross_entropy,
                                                                     evaluation_attack::apgd_targeted,
                                                                     evaluation_attack::fab, evaluation_attack::square};

constexpr const char* name(evaluation_attack a) {
  return a == evaluation_attack::apgd_cross_entropy ? "APGD-CE"
         : a == evaluation_attack::apgd_targeted    ? "APGD-T"
         : a == evaluation_attack::fab              ? "FAB-T"
                                                    : "Square";
}

/// The defaults are AutoAttack's standard version (Croce & Hein 2020).
struct ensemble_options {
  float epsilon = 8;  ///< pixels of 255; for `norm::l2`, the Euclidean length of the whole perturbation
  attack::norm norm = attack::norm::linf;
  /// One after the other, each on the images that the ones before it left.
  std::vector<evaluation_attack> attacks{evaluation_attacks.begin(), evaluation_attacks.end()};
  int steps = 100;               ///< of APGD and FAB
  int restarts = 1;              ///< of each attack
  int targets = 9;               ///< wrong classes that APGD-T and FAB-T try
  int queries = 5000;            ///< of Square
  domain through = main_domain;  ///< the domain that serves inference, and that the attacks go through
  int batch = 250;               ///< changes no bit
  int first = 0;                 ///< the image to begin with: parts give what the whole would
  int images = 0;                ///< how many from there; 0: all
  advprop::seed seed{0};         ///< of all randomness; an image's own is told from its number in the data
};

/// How robustness was measured, in one line for a report: figures measured otherwise cannot be compared.
ADVPROP_API std::string description(const ensemble_options& o);

struct ensemble_result {
  struct stage {
    evaluation_attack attack{};
    int left = 0;                ///< images still robust after it
    attack_evidence evidence{};  ///< of its first restart
  };

  ensemble_options how;               ///< with the number of images and of targets that there were
  std::vector<char> correct, robust;  ///< for each image: before any attack, and after all
  tensor<float, 4> adversarial;       ///< the adversarial image where an attack succeeded, else the image
  std::vector<stage> stages;          ///< one per attack
  std::vector<std::string> warnings;  ///< reasons not to believe the result; see `attack_ensemble`

  double clean_accuracy() const { return share(correct); }
  double robust_accuracy() const { return share(robust); }

 private:
  static double share(const std::vector<char>& flags);
};

/// What can be told from logits alone: a network that answers otherwise when asked again, and probabilities in place of
/// logits, of which float has lost what attacks need.
template <attack_target Target>
std::vector<std::string> logit_warnings(Target& target, const_image_view images) {
  std::vector<std::string> warnings;
  image_buffer<typename Target::device_type> on_device(target.device(), images.extents());
  detail::upload({images.begin(), images.end()}, on_device);
  tensor<float, 2> once({images.extent(0), target.classes()}), again = once;
  target.logits(on_device, once);
  target.logits(on_device, again);
  if (!std::ranges::equal(once, again))
    warnings.push_back(
        "the network is random: two passes over the same images differ, and these attacks do not average");
  bool probabilities = true;
  for (int i = 0; i < once.extent(0); ++i) {
    double sum = 0;
    for (int k = 0; k < once.extent(1); ++k) {
      probabilities = probabilities && once(i, k) >= 0 && once(i, k) <= 1;
      sum += double(once(i, k));
    }
    probabilities = probabilities && std::fabs(sum - 1) < 1e-4;
  }
  if (probabilities) warnings.push_back("the logits are probabilities: attacks need what comes before the softmax");
  return warnings;
}

/// What can be told from how many images each attack left of the correct ones among all images.
ADVPROP_API std::vector<std::string> stage_warnings(int images, int correct,
                                                    std::span<const ensemble_result::stage> stages);

namespace detail {

/// f(attack), of the attack's own type.
template <class F>
auto with_attack(evaluation_attack which, const ensemble_options& o, F&& f) {
  switch (which) {
    case evaluation_attack::square:
      return f(square{.epsilon = o.epsilon, .norm = o.norm, .queries = o.queries, .restarts = o.restarts});
    case evaluation_attack::fab:
      return f(
          fab{.epsilon = o.epsilon, .norm = o.norm, .steps = o.steps, .restarts = o.restarts, .targets = o.targets});
    case evaluation_attack::apgd_cross_entropy:
    case evaluation_attack::apgd_targeted:
      break;
  }
  return f(apgd{.epsilon = o.epsilon,
                .norm = o.norm,
                .steps = o.steps,
                .restarts = o.restarts,
                .loss = which == evaluation_attack::apgd_targeted ? apgd_loss::targeted_dlr : apgd_loss::cross_entropy,
                .targets = o.targets});
}

}  // namespace detail

/// Robust accuracy and adversarial images of the data's first images. `warnings` tells of signs that the network is not
/// robust but hard to attack: gradients of zero; Square, which uses none, fooling more than 0.2 % of all images after
/// the others; a random network; probabilities in place of logits. Throws `argument_error` for options that make no
/// sense and `numeric_error` for NaN logits.
template <attack_target Target, source Source>
ensemble_result attack_ensemble(Target& target, const Source& data, const ensemble_options& options = {}) {
  if (data.classes != target.classes())
    fail<argument_error>("attack_ensemble: the data have ", int{data.classes}, " classes, the network ",
                         target.classes());
  if (options.batch < 1 || options.images < 0)
    fail<argument_error>("attack_ensemble: batch must be positive and images not negative");
  if (options.first < 0 || options.first >= data.size())
    fail<argument_error>("attack_ensemble: there is no image ", options.first, " of ", int{data.size()});
  if (options.attacks.empty()) fail<argument_error>("attack_ensemble: there are no attacks");
  for (const evaluation_attack a : options.attacks)  // before the first of them takes its time
    detail::with_attack(a, options, [&](const auto& one) { one.check(target.classes()); });
  ensemble_result r;
  r.how = options;
  const int there = data.size() - options.first;
  r.how.images = options.images == 0 ? there : std::min(options.images, there);
  r.how.targets = std::min(options.targets, target.classes() - 1);
  const int count = r.how.images;
  const shape s = data.image();
  r.correct.resize(static_cast<std::size_t>(count));
  r.robust.resize(static_cast<std::size_t>(count));
  r.adversarial.resize({count, s.height, s.width, s.channels});
  for (const evaluation_attack a : options.attacks) r.stages.push_back({.attack = a});

  std::vector<random_stream> streams;
  for (int first = 0; first < count; first += options.batch) {
    const int n = std::min(options.batch, count - first);
    auto read = read_batch(data, options.first + first, n);
    const std::span<char> robust(r.robust.data() + first, static_cast<std::size_t>(n));
    streams.assign(static_cast<std::size_t>(n), random_stream{});
    const attack_batch batch{read.images.view(), std::as_const(read.labels).view(), streams, robust};
    if (first == 0) r.warnings = logit_warnings(target, read.images.view());
    judge(target, batch);
    std::ranges::copy(robust, r.correct.begin() + first);
    for (auto& stage : r.stages) {
      for (int i = 0; i < n; ++i)
        streams[static_cast<std::size_t>(i)] = random_stream(options.seed.value)
                                                   .split(static_cast<std::uint64_t>(options.first + first + i))
                                                   .split(static_cast<std::uint64_t>(stage.attack));
      const attack_evidence e =
          detail::with_attack(stage.attack, options, [&](const auto& one) { return one.run(target, batch); });
      stage.evidence.attacked += e.attacked;
      stage.evidence.zero_gradients += e.zero_gradients;
      stage.left += static_cast<int>(std::ranges::count(robust, char{1}));
    }
    std::ranges::copy(read.images, r.adversarial.begin() + first * read.images.view().stride());
  }
  const auto found = stage_warnings(count, static_cast<int>(std::ranges::count(r.correct, char{1})), r.stages);
  r.warnings.insert(r.warnings.end(), found.begin(), found.end());
  return r;
}

/// The same for a model, through the domain of the options.
template <class Model, source Source>
  requires requires { typename Model::network_type; }
ensemble_result attack_ensemble(Model& net, const Source& data, const ensemble_options& options = {}) {
  attacked_model<Model> target(net, options.through);
  return attack_ensemble(target, data, options);
}

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/ensemble.inl>
#endif
