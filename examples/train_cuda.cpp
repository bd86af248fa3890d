// The whole loop on a GPU, in bfloat16: train.cpp with another device. Links advprop::cuda.
//
//   ./train_cuda CIFAR_FOLDER
#include <cstdio>

#include <advprop/cuda.hpp>

using namespace advprop;

using device_type = cuda_bfloat16;
using network = model<resnet18<10, cifar_stem, normalize<cifar10_statistics>>, domains<2>, device_type>;

int main(int argc, char** argv) try {
  if (argc != 2) fail<argument_error>("usage: train_cuda CIFAR_FOLDER");
  const dataset train = load_cifar10(argv[1], split::train), test = load_cifar10(argv[1], split::test);

  device_type device;
  network net(device, seed{1});
  loader batches(train, {.batch = 512}, pipeline(pad_crop{4}, horizontal_flip{}));
  const adversarial_propagation method(attack::pgd{.epsilon = 4, .step = 1, .steps = 5});  // pixels of 255
  fit(net, batches, method, sgd{.learning_rate = 0.2f, .weight_decay = 5e-4f},
      {.epochs = 30, .on_epoch = [](const epoch_report& r) {
         std::printf("epoch %d: clean loss %.3f, adversarial loss %.3f, %.0f images/s\n", r.epoch,
                     r.metrics.parts[0].loss(), r.metrics.parts[1].loss(), static_cast<double>(r.images) / r.seconds);
       }});

  std::printf("test accuracy: %.2f %%\n", 100 * evaluate(net, test).total.accuracy());
  save(net, main_domain, "resnet18.safetensors");  // loads on any device
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
