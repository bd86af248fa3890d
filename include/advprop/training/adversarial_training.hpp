// Adversarial training through one batch norm.
#pragma once

#include <array>
#include <span>
#include <string>
#include <utility>

#include <advprop/attacks/objective.hpp>
#include <advprop/training/concatenation.hpp>
#include <advprop/training/method.hpp>

namespace advprop {

/// Adversarial training through the main batch norm alone, the baseline that loses clean accuracy (AdvProp, section
/// 3.2). `mixture`: clean and adversarial images share every batch norm's batch; otherwise adversarial images only
/// (Madry et al. 2018). A step throws `argument_error` for a negative weight.
template <class Attack>
struct adversarial_training {
  static_assert(attack_policy<Attack>, "adversarial_training: this is not an attack; see attack_policy");

  explicit adversarial_training(Attack a) : attack(std::move(a)) {}

  static constexpr bool micro_batches = true;
  Attack attack;
  bool mixture = true;
  float clean_weight = 1, adversarial_weight = 1;
  /// Clean image k and its adversary go through the same dropout and stochastic-depth masks.
  bool matched_noise = false;

  int parts() const { return mixture ? 2 : 1; }
  int streams() const { return 1; }
  std::string part_name(int i) const { return mixture && i == 0 ? "clean" : "adversarial"; }
  std::string description() const {
    return detail::described("adversarial", {{"mixture", static_cast<float>(mixture)},
                                             {"clean_weight", clean_weight},
                                             {"adversarial_weight", adversarial_weight},
                                             {"matched_noise", static_cast<float>(matched_noise)}}) +
           "; " + attack::detail::description(attack);
  }
  int smallest_pass(std::span<const int> images, int micro_batch) const {
    return (mixture ? 2 : 1) * smallest_micro_batch(images[0], micro_batch);
  }

  template <class Model>
  step_metrics gradients(Model& net, std::span<const labelled_images> streams, const step_options& options) const {
    detail::check_loss_weight("adversarial_training", "clean_weight", clean_weight);
    detail::check_loss_weight("adversarial_training", "adversarial_weight", adversarial_weight);
    step_metrics m;
    for_micro_batches(std::array{streams[0]}, options, [&](const auto& parts, const step_options& own) {
      const auto& [images, share] = parts[0];
      const int n = parts[0].count();
      detail::concatenation<typename Model::device_type, Model::classes> batch(net.device(), mixture ? 2 * n : n,
                                                                               images.images);
      if (mixture) batch.push(images);
      const image_view attacked = batch.push(images);
      random_stream rng = own.rng.split(stream_tag::attacks);
      perturb(net, attack, attacked, images.labels, rng, main_domain, own.label_smoothing,
              own.noise(mixture ? 1 : 0, matched_noise));
      routing route;
      if (mixture) route.push({main_domain, n, share * clean_weight});
      route.push({main_domain, n, share * adversarial_weight});
      accumulate_gradients(net, batch.all(), route, own, m, 0, matched_noise);
    });
    return m;
  }
};

}  // namespace advprop
