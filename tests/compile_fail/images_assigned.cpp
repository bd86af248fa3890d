// expect: operator=.*protected
// It would have the view look elsewhere, and the attack do nothing.
#include <advprop/advprop.hpp>

using namespace advprop;

struct kept {
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    const auto best = objective.copy(images);
    transform(images, objective.input_gradient(images, labels), [](float x, float g) { return x + g; });
#ifdef CONTROL
    copy_images(best, images);
#else
    images = best;
#endif
  }
};

void use(model<resnet20<10>, domains<2>, cpu>& net, const dataset& data) {
  fit(net, data, adversarial_propagation(kept{}), sgd{});
}
