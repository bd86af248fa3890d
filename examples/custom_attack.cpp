// An attack of one's own: ten lines, and it trains and evaluates like the built-in ones.
#include <cstdio>

#include <advprop/advprop.hpp>

using namespace advprop;

/// Moves every pixel by epsilon towards a higher loss, except in flat gradients, which it leaves alone.
struct confident_step {
  float epsilon = 4;
  float share = 0.5f;  // of the image's mean gradient: what is smaller counts as flat

  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    const auto gradient = objective.input_gradient(images, labels);  // never touches weights or statistics
    image_numbers mean(*images.device, images.extent(0));
    mean_magnitudes(*images.device, gradient, mean.data());
    transform(images, gradient, mean, [e = epsilon / 255, s = share](float x, float g, float m) {
      return g > s * m || g < -s * m ? clamp(x + e * sign(g), 0.f, 1.f) : x;
    });
  }
};
static_assert(attack_policy<confident_step>);

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist";
  const dataset train = load_fashion_mnist(folder, split::train).take(6000);
  const dataset test = load_fashion_mnist(folder, split::test).take(1000);

  cpu device;
  model<cifar_resnet<1, 10, shortcut_option::a, normalize<fashion_mnist_statistics>>, domains<2>, cpu> net(device,
                                                                                                           seed{1});
  fit(net, train, adversarial_propagation(confident_step{}), sgd{}, {.epochs = 2});
  std::printf("clean %.2f %%, under this attack %.2f %%, under FGSM %.2f %%\n",
              100 * evaluate(net, test).total.accuracy(),
              100 * evaluate(net, test, {}, confident_step{}).total.accuracy(),
              100 * evaluate(net, test, {}, attack::fgsm{}).total.accuracy());
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
