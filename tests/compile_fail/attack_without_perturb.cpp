// expect: adversarial_propagation: this is not an attack; see attack_policy
// An attack is a struct with `perturb`.
#include <advprop/advprop.hpp>

using namespace advprop;

struct harmless {
  float epsilon = 4;
#ifdef CONTROL
  void perturb(auto&, auto&, const auto&, auto&) const {}
#else
  void attack(auto&, auto&, const auto&, auto&) const {}
#endif
};

adversarial_propagation<harmless> method{harmless{}};
