// Momentum I-FGSM.
#pragma once

#include <cmath>

#include <advprop/attacks/attack.hpp>
#include <advprop/core/tensor.hpp>

namespace advprop::attack {

/// Dong et al. 2018: the sign of a decaying sum of gradients, each divided by the mean size of its image's numbers.
struct momentum_ifgsm {
  float epsilon = 4;
  float step = 1;
  int steps = 5;
  float decay = 1;
  attack::goal goal = attack::goal::untargeted;
  statistics source = statistics::running;
  bool smoothed = false;
  bool dropped = false;

  void perturb(auto& objective, auto& images, const auto& labels, random_stream& rng) const {
    detail::check("momentum_ifgsm", epsilon, step, steps);
    if (!(decay >= 0)) fail<argument_error>("attack::momentum_ifgsm: decay is ", decay, ", must be 0 or more");
    if (epsilon == 0) return;
    tensor<int, 1> chosen;
    const auto [targets, direction] = detail::aim(goal, objective, images, labels, rng, chosen);
    const auto original = objective.copy(images);
    auto velocity = objective.copy(images);
    transform(velocity, original, [] ADVPROP_HD(float, float) { return 0.f; });
    tensor<float, 1> lengths({images.extent(0)});
    const float e = epsilon / 255, a = direction * step / 255, d = decay;
    for (int i = 0; i < steps; ++i) {
      const auto gradient = objective.input_gradient(images, targets);
      mean_magnitudes(*images.device, gradient, lengths.data());
      for (int n = 0; n < images.extent(0); ++n) {
        const float s = 1 / std::fmax(lengths(n), 1e-30f);
        transform(velocity.slice(n, 1), gradient.slice(n, 1),
                  [=] ADVPROP_HD(float v, float g) { return d * v + s * g; });
      }
      transform(images, velocity, original,
                [=] ADVPROP_HD(float x, float v, float x0) { return project(x + a * sign(v), x0, e); });
    }
  }
};
static_assert(attack_policy<momentum_ifgsm>);

}  // namespace advprop::attack
