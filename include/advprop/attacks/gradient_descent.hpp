// The paper's GD attacker: PGD without the projection.
#pragma once

#include <advprop/attacks/attack.hpp>
#include <advprop/attacks/loops.hpp>

namespace advprop::attack {

/// AdvProp, section 5.4: the ball is relaxed, only the number of steps limits the perturbation. Sign steps from uniform
/// noise within epsilon; images stay in [0,1], so a pixel moves by at most epsilon + steps * step. Epsilon 0: no
/// attack.
struct gradient_descent {
  float epsilon = 4;
  float step = 1;
  int steps = 5;
  attack::start start = attack::start::uniform;
  float clean_start = 0;  ///< probability that a batch starts from the clean images although `start` is uniform
  attack::goal goal = attack::goal::untargeted;
  statistics source = statistics::running;
  bool smoothed = false;
  bool dropped = false;

  std::string description() const {
    return detail::described("gradient_descent", *this,
                             {{"epsilon", epsilon},
                              {"step", step},
                              {"steps", static_cast<float>(steps)},
                              {"start", static_cast<float>(start)},
                              {"clean_start", clean_start}});
  }
  void perturb(auto& objective, auto& images, const auto& labels, random_stream& rng) const {
    detail::check("gradient_descent", epsilon, step, steps);
    detail::check_clean_start("gradient_descent", clean_start);
    if (epsilon == 0) return;
    const auto target = detail::aim(goal, objective, images, labels, rng);
    const float a = target.direction * step / 255;
    if (detail::starts_at_noise(start, clean_start, rng))
      detail::start_in_ball(images, objective.copy(images), epsilon / 255, rng);
    for (int i = 0; i < steps; ++i) {
      const auto gradient = objective.input_gradient(images, target.at);
      transform(images, gradient, loops::free_sign_step{a});
    }
  }
};
static_assert(attack_policy<gradient_descent>);

}  // namespace advprop::attack
