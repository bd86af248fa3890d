// expect: adversarial_propagation: the model has fewer auxiliary domains than attacks
// Every attack needs an auxiliary domain of its own.
#include <advprop/advprop.hpp>

using namespace advprop;

struct net : architecture<normalize<fashion_mnist_statistics>, convolution<8, 3>, batch_norm<>, relu,
                          global_average_pool, linear<10>> {};

#ifdef CONTROL
using domain_policy_of_net = domains<3>;
#else
using domain_policy_of_net = domains<2>;
#endif

void use(model<net, domain_policy_of_net, cpu>& m, const dataset& data) {
  fit(m, data, adversarial_propagation{attack::pgd{}, attack::fgsm{}}, sgd{});
}
