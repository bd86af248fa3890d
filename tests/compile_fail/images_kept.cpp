// expect: transform: the images to change, which come first, are const
// A copy that is const is not changed, as where arguments have changed places.
#include <advprop/advprop.hpp>

using namespace advprop;

struct step {
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    const auto original = objective.copy(images);
    const auto gradient = objective.input_gradient(images, labels);
#ifdef CONTROL
    transform(images, gradient, original, [](float x, float g, float o) { return g > 0 ? x : o; });
#else
    transform(original, gradient, images, [](float x, float g, float o) { return g > 0 ? x : o; });
#endif
  }
};

void use(model<resnet20<10>, domains<2>, cpu>& net, image_view images, const target_view& labels, random_stream& rng) {
  perturb(net, step{}, images, labels, rng);
}
