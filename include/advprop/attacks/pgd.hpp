// Projected gradient descent in an L-infinity or L2 ball.
#pragma once

#include <advprop/attacks/attack.hpp>
#include <advprop/attacks/ball.hpp>

namespace advprop::attack {

/// The ball that the perturbation stays in.
enum class norm { linf, l2 };

/// Madry et al. 2018; the attacker of AdvProp, section 5.1. Epsilon and step in pixels of 255 (for `norm::l2`, the
/// Euclidean length of the whole perturbation in pixels of 255). Epsilon 0 returns the images bit for bit.
struct pgd {
  float epsilon = 4;  ///< 4 is little for `norm::l2`, where 0.5 of images in [0, 1], 127.5, is usual
  float step = 0;     ///< 0: epsilon / steps, so that the ball's edge can be reached; for `norm::linf` at least a pixel
  int steps = 5;
  attack::norm norm = attack::norm::linf;
  attack::start start = attack::start::uniform;
  float clean_start = 0;  ///< probability that a batch starts from the clean images although `start` is uniform
  attack::goal goal = attack::goal::untargeted;
  statistics source = statistics::running;
  bool smoothed = false;
  bool dropped = false;

  /// The paper's rule: steps of one pixel, n = epsilon + 1 of them, but one for epsilon 1 (section 5.1). Away from the
  /// label; the authors' code for ImageNet aims at a random class, which `goal` asks for.
  static pgd paper(int epsilon) {
    pgd p;
    p.epsilon = static_cast<float>(epsilon);
    p.step = 1;
    p.steps = epsilon == 1 ? 1 : epsilon + 1;
    return p;
  }

  std::string description() const {
    return detail::described("pgd", *this,
                             {{"epsilon", epsilon},
                              {"step", own_step()},
                              {"steps", static_cast<float>(steps)},
                              {"norm", static_cast<float>(norm)},
                              {"start", static_cast<float>(start)},
                              {"clean_start", clean_start}});
  }
  void perturb(auto& objective, auto& images, const auto& labels, random_stream& rng) const {
    detail::check("pgd", epsilon, step, steps, norm == attack::norm::l2);
    detail::check_clean_start("pgd", clean_start);
    if (epsilon == 0) return;
    const auto target = detail::aim(goal, objective, images, labels, rng);
    const auto original = objective.copy(images);
    const float e = epsilon / 255, a = target.direction * own_step() / 255;
    if (detail::starts_at_noise(start, clean_start, rng)) begin(images, original, e, rng);
    for (int i = 0; i < steps; ++i) {
      const auto gradient = objective.input_gradient(images, target.at);
      if (norm == attack::norm::linf) {
        transform(images, gradient, original, loops::sign_step{a, e});
      } else {
        scaled_step(images, gradient, a);
        detail::shrink_to_ball(images, original, e);
      }
    }
  }

 private:
  float own_step() const { return detail::step_for(step, epsilon, steps, norm == attack::norm::l2); }

  /// Uniform noise: in the cube for L-infinity; for L2 a uniform direction with a length uniform in [0, e].
  void begin(auto& images, const auto& original, float e, random_stream& rng) const {
    if (norm == attack::norm::linf) return detail::start_in_ball(images, original, e, rng);
    auto& device = *images.device;
    fill_normal(device, rng, images);
    rng.skip(2 * static_cast<std::uint64_t>(images.size()));
    image_numbers lengths(device, images.extent(0)), shares(device, images.extent(0));
    image_norms(device, images, lengths.data());
    fill_uniform(device, rng, 0, 1, shares);
    rng.skip(static_cast<std::uint64_t>(shares.size()));
    transform(lengths, shares, loops::random_length{e});
    transform(images, original, lengths, loops::scaled_start());
  }

  /// One step of length |a| along each image's normalised gradient.
  void scaled_step(auto& images, const auto& gradient, float a) const {
    image_numbers norms(*images.device, images.extent(0));
    image_norms(*images.device, gradient, norms.data());
    transform(images, gradient, norms, loops::normalised_step{a});
  }
};
static_assert(attack_policy<pgd>);

}  // namespace advprop::attack
