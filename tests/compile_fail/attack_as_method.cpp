// expect: fit: this is not a training method; see training_method
// An attack is a part of a method.
#include <advprop/advprop.hpp>

using namespace advprop;

void use(model<resnet20<10>, domains<2>, cpu>& net, const dataset& data) {
#ifdef CONTROL
  fit(net, data, adversarial_propagation{attack::pgd{}}, sgd{});
#else
  fit(net, data, attack::pgd{}, sgd{});
#endif
}
