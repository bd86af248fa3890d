// Loads a ResNet-20 that PyTorch trained on CIFAR-10, gives it an auxiliary batch-norm set, and looks how it does.
//
//   ./pytorch_checkpoint resnet20.safetensors cifar-10-batches-bin/
// In Python:  safetensors.torch.save_file(net.state_dict(), "resnet20.safetensors")
#include <cstdio>

#include <advprop/advprop.hpp>

using namespace advprop;

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s CHECKPOINT.safetensors CIFAR10_FOLDER\n", argv[0]);
    return 2;
  }
  cpu device;
  model<resnet20<10, shortcut_option::a, normalize<imagenet_statistics>>, domains<2>, cpu> net(device);
  const load_report report = load(net, argv[1]);
  if (report.auxiliary_from_main)
    std::printf("an ordinary checkpoint: the auxiliary batch norms start as copies of the main ones\n");

  const dataset test = load_cifar10(argv[2], split::test);
  std::printf("test error %.2f %%\n", 100 - 100 * evaluate(net, test).total.accuracy());
  std::printf("under PGD-5, epsilon 1: %.2f %% of the first 500 are right\n",
              100 * evaluate(net, test, {.images = 500}, attack::pgd{.epsilon = 1, .step = 0.25f}).total.accuracy());
  save(net, "resnet20-two-domains.safetensors");  // timm's names: bn1.weight, bn1.aux_bn.0.weight
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
