// What one training step does, chosen at run time.
#pragma once

#include <vector>

#include "attack.hpp"

namespace advprop::program {

struct chosen_method {
  enum class kind { clean, adversarial, advprop };

  kind which = kind::clean;
  std::vector<chosen_attack> attacks;  // adversarial: one; advprop: one per auxiliary domain
  std::vector<int> streams;            // advprop: where each auxiliary domain's images come from
  std::vector<float> shares;           // advprop: of each batch, what an auxiliary domain takes
  std::vector<float> weights;          // of the losses: clean, then one per attack
  bool mixture = true;                 // adversarial: with the clean images
  bool concatenated = false;           // advprop: all domains in one pass
  bool decoupled = false;              // advprop: what auxiliary domains take leaves the clean pass
  bool matched_noise = false;          // the same dropout for an image and its adversary
};

}  // namespace advprop::program
