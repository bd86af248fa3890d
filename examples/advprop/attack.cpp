// The library's attacks, compiled once for all models.
#include "attack.hpp"

#include <advprop/ops/cpu.hpp>
#ifdef ADVPROP_HAS_CUDA
#include <advprop/ops/cuda.hpp>
#endif

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/gradient_descent.hpp>
#include <advprop/attacks/momentum.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/io/text.hpp>

namespace advprop::program {

template <class Device>
void chosen_attack::run(any_objective<Device>& objective, device_images<Device>& images, const target_view& labels,
                        random_stream& rng) const {
  switch (which) {
    case kind::none:
      return;
    case kind::fgsm: {
      attack::fgsm a;
      a.epsilon = epsilon, a.goal = goal;
      return a.perturb(objective, images, labels, rng);
    }
    case kind::ifgsm: {
      attack::ifgsm a;
      a.epsilon = epsilon, a.step = step, a.steps = steps, a.goal = goal;
      return a.perturb(objective, images, labels, rng);
    }
    case kind::pgd:
    case kind::pgd_l2: {
      attack::pgd a;
      a.norm = which == kind::pgd ? attack::norm::linf : attack::norm::l2;
      a.epsilon = epsilon, a.step = step, a.steps = steps, a.goal = goal, a.start = start, a.clean_start = clean_start;
      return a.perturb(objective, images, labels, rng);
    }
    case kind::mifgsm: {
      attack::momentum_ifgsm a;
      a.epsilon = epsilon, a.step = step, a.steps = steps, a.goal = goal;
      return a.perturb(objective, images, labels, rng);
    }
    case kind::gd: {
      attack::gradient_descent a;
      a.epsilon = epsilon, a.step = step, a.steps = steps, a.goal = goal, a.start = start, a.clean_start = clean_start;
      return a.perturb(objective, images, labels, rng);
    }
  }
}

template void chosen_attack::run(any_objective<cpu>&, device_images<cpu>&, const target_view&, random_stream&) const;
#ifdef ADVPROP_HAS_CUDA
template void chosen_attack::run(any_objective<cuda>&, device_images<cuda>&, const target_view&, random_stream&) const;
template void chosen_attack::run(any_objective<cuda_bfloat16>&, device_images<cuda_bfloat16>&, const target_view&,
                                 random_stream&) const;
#endif

std::string chosen_attack::name(int digits) const {
  const std::string count = "-" + std::to_string(steps), size = ", ε = " + significant(epsilon, digits);
  switch (which) {
    case kind::none:
      return "none";
    case kind::fgsm:
      return "FGSM" + size;
    case kind::ifgsm:
      return "I-FGSM" + count + size;
    case kind::pgd:
      return "PGD" + count + size;
    case kind::pgd_l2:
      return "L2 PGD" + count + size;
    case kind::mifgsm:
      return "MI-FGSM" + count + size;
    case kind::gd:
      return "GD" + count + size;
  }
  return {};
}

}  // namespace advprop::program
