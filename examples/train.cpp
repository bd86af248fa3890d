// Trains a small ResNet on Fashion-MNIST with AdvProp, in 30 lines.
//
//   apt install dataset-fashion-mnist;  ./train [folder]
#include <cstdio>

#include <advprop/advprop.hpp>

using namespace advprop;

// Two batch-norm domains: clean images (main) and their adversaries (auxiliary).
using network = model<cifar_resnet<1, 10, shortcut_option::a, normalize<fashion_mnist_statistics>>, domains<2>, cpu>;

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist";
  const dataset train = load_fashion_mnist(folder, split::train).take(10000);
  const dataset test = load_fashion_mnist(folder, split::test).take(2000);

  cpu device;
  network net(device, seed{1});
  const adversarial_propagation method(attack::pgd{.epsilon = 4, .step = 2, .steps = 2});  // pixels of 255
  fit(net, train, method, sgd{.learning_rate = 0.1f, .weight_decay = 5e-4f},
      {.epochs = 2, .on_epoch = [](const epoch_report& r) {
         std::printf("epoch %d: clean loss %.3f, adversarial loss %.3f, %.0f images/s\n", r.epoch,
                     r.metrics.parts[0].loss(), r.metrics.parts[1].loss(), static_cast<double>(r.images) / r.seconds);
       }});

  std::printf("test accuracy: clean %.2f %%, under FGSM %.2f %%\n", 100 * evaluate(net, test).total.accuracy(),
              100 * evaluate(net, test, {}, attack::fgsm{.epsilon = 4}).total.accuracy());
  save(net, main_domain, "fashion.safetensors");  // an ordinary network: PyTorch loads it
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
