// No attack: an auxiliary domain fed by a data stream of its own.
#pragma once

#include <advprop/attacks/attack.hpp>

namespace advprop::attack {

/// Leaves the images as they are.
struct none {
  std::string description() const { return "none"; }
  void perturb(auto&, auto&, const auto&, random_stream&) const {}
};
static_assert(attack_policy<none>);

}  // namespace advprop::attack
