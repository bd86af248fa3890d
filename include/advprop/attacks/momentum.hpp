// Momentum I-FGSM.
#pragma once

#include <span>

#include <advprop/attacks/attack.hpp>
#include <advprop/attacks/loops.hpp>

namespace advprop::attack {

/// Dong et al. 2018: the sign of a decaying sum of gradients, each divided by the mean size of its image's numbers.
struct momentum_ifgsm {
  float epsilon = 4;
  float step = 0;  ///< 0: epsilon / steps, at least a pixel
  int steps = 5;
  float decay = 1;
  attack::goal goal = attack::goal::untargeted;
  statistics source = statistics::running;
  bool smoothed = false;
  bool dropped = false;

  std::string description() const {
    return detail::described("momentum_ifgsm", *this,
                             {{"epsilon", epsilon},
                              {"step", detail::step_for(step, epsilon, steps)},
                              {"steps", static_cast<float>(steps)},
                              {"decay", decay}});
  }
  void perturb(auto& objective, auto& images, const auto& labels, random_stream& rng) const {
    detail::check("momentum_ifgsm", epsilon, step, steps);
    if (!(decay >= 0 && std::isfinite(decay)))
      fail<argument_error>("attack::momentum_ifgsm: decay is ", decay, ", must be 0 or more");
    if (epsilon == 0) return;
    const auto target = detail::aim(goal, objective, images, labels, rng);
    const auto original = objective.copy(images);
    image_buffer velocity(*images.device, images.extents());
    fill(*images.device, 0.f, std::span<float>(velocity.begin(), velocity.end()));
    image_numbers sizes(*images.device, images.extent(0));
    const float e = epsilon / 255, a = target.direction * detail::step_for(step, epsilon, steps) / 255;
    for (int i = 0; i < steps; ++i) {
      const auto gradient = objective.input_gradient(images, target.at);
      mean_magnitudes(*images.device, gradient, sizes.data());
      transform(velocity, gradient, sizes, loops::accumulate{decay});
      transform(images, velocity, original, loops::sign_step{a, e});
    }
  }
};
static_assert(attack_policy<momentum_ifgsm>);

}  // namespace advprop::attack
