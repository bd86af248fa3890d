// expect: adversarial_training: this is not an attack; see attack_policy
// Methods are const, and so are their attacks.
#include <advprop/advprop.hpp>

using namespace advprop;

struct counting {
#ifdef CONTROL
  void perturb(auto&, auto&, const auto&, auto&) const {}
#else
  int calls = 0;
  void perturb(auto&, auto&, const auto&, auto&) { ++calls; }
#endif
};

void use(model<resnet20<10>, domains<1>, cpu>& net, const dataset& data) {
  fit(net, data, adversarial_training{counting{}}, sgd{});
}
