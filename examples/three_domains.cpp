// Three batch-norm domains: clean images, PGD adversaries, and images with strong augmentation from a stream of their
// own.
#include <cstdio>

#include <advprop/advprop.hpp>

using namespace advprop;

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist";
  const dataset train = load_fashion_mnist(folder, split::train).take(10000);
  const dataset test = load_fashion_mnist(folder, split::test).take(2000);

  using policy = domains<3>;
  cpu device;
  model<cifar_resnet<1, 10, shortcut_option::a, normalize<fashion_mnist_statistics>>, policy, cpu> net(device, seed{1});

  // The same images in the same order twice, augmented differently: stream 0 lightly, stream 1 strongly.
  loader light(train, {.batch = 128, .seed = seed{1}, .augment_stream = 0}, horizontal_flip{});
  loader strong(train, {.batch = 128, .seed = seed{1}, .augment_stream = 1},
                pipeline(pad_crop{4}, horizontal_flip{}, cutout{12}));

  adversarial_propagation method(attack::pgd::paper(3), attack::none{});
  method.auxiliary[1] = {.weight = 0.5f, .stream = 1};  // domain 2 reads stream 1 and counts half

  loader* const streams[] = {&light, &strong};
  fit(net, streams, method, sgd{.weight_decay = 5e-4f},
      {.epochs = 2, .on_epoch = [&](const epoch_report& r) {
         std::printf("epoch %d:", r.epoch);
         for (int i = 0; i < method.parts(); ++i)
           std::printf("  %s %.3f", method.part_name(i).c_str(), r.metrics.parts[static_cast<std::size_t>(i)].loss());
         std::printf("\n");
       }});

  // Which domain serves inference is a choice.
  for (int d = 0; d < policy::count; ++d)
    std::printf("through domain %d: %.2f %%\n", d,
                100 * evaluate(net, test, {.through = policy::at(d)}).total.accuracy());
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
