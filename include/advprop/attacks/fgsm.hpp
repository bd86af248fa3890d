// The fast gradient sign method, once and iterated: PGD from the clean image.
#pragma once

#include <advprop/attacks/pgd.hpp>

namespace advprop::attack {

/// Goodfellow et al. 2015: one step of length epsilon from the clean image.
struct fgsm {
  float epsilon = 4;
  attack::goal goal = attack::goal::untargeted;
  statistics source = statistics::running;
  bool smoothed = false;
  bool dropped = false;

  std::string description() const { return detail::described("fgsm", *this, {{"epsilon", epsilon}}); }
  void perturb(auto& objective, auto& images, const auto& labels, random_stream& rng) const {
    detail::check("fgsm", epsilon, epsilon, 1);
    pgd p;
    p.epsilon = p.step = epsilon;
    p.steps = 1;
    p.start = start::image;
    p.goal = goal;
    p.perturb(objective, images, labels, rng);
  }
};
static_assert(attack_policy<fgsm>);

/// Kurakin et al. 2017: PGD from the clean image ("I-FGSM" in AdvProp's ablation).
struct ifgsm {
  float epsilon = 4;
  float step = 0;  ///< 0: epsilon / steps, at least a pixel
  int steps = 5;
  attack::goal goal = attack::goal::untargeted;
  statistics source = statistics::running;
  bool smoothed = false;
  bool dropped = false;

  std::string description() const {
    return detail::described(
        "ifgsm", *this,
        {{"epsilon", epsilon}, {"step", detail::step_for(step, epsilon, steps)}, {"steps", static_cast<float>(steps)}});
  }
  void perturb(auto& objective, auto& images, const auto& labels, random_stream& rng) const {
    detail::check("ifgsm", epsilon, step, steps);
    pgd p;
    p.epsilon = epsilon;
    p.step = step;
    p.steps = steps;
    p.start = start::image;
    p.goal = goal;
    p.perturb(objective, images, labels, rng);
  }
};
static_assert(attack_policy<ifgsm>);

}  // namespace advprop::attack
