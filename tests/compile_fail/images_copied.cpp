// expect: deleted (function|constructor).*device_images
// It would be the same memory, which the attack then changes: no ball would be left.
#include <advprop/advprop.hpp>

using namespace advprop;

struct kept {
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
#ifdef CONTROL
    const auto original = objective.copy(images);
#else
    const auto original = images;
#endif
    transform(images, objective.input_gradient(images, labels), original,
              [](float x, float g, float x0) { return clamp(x + sign(g), x0 - 1, x0 + 1); });
  }
};

void use(model<resnet20<10>, domains<2>, cpu>& net, const dataset& data) {
  fit(net, data, adversarial_propagation(kept{}), sgd{});
}
