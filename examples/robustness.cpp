// How robust is a checkpoint? Error on corrupted images, and accuracy under attacks that are worth believing.
//
//   ./robustness resnet20.safetensors cifar-10-batches-bin/ frost/
// The frost pictures come with github.com/hendrycks/robustness, in ImageNet-C/create_c.
#include <cstdio>
#include <vector>

#include <advprop/advprop.hpp>
#include <advprop/robustness/corrupted_source.hpp>
#include <advprop/robustness/ensemble.hpp>
#include <advprop/robustness/scores.hpp>

using namespace advprop;

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s CHECKPOINT.safetensors CIFAR10_FOLDER FROST_FOLDER\n", argv[0]);
    return 2;
  }
  // Published CIFAR-10 weights expect ImageNet's statistics; a network trained here has cifar10_statistics.
  cpu device;
  model<resnet20<10, shortcut_option::a, normalize<imagenet_statistics>>, domains<1>, cpu> net(device);
  load(net, argv[1]);
  const dataset test = load_cifar10(argv[2], split::test).take(500);
  std::printf("clean: %.1f %% wrong\n", 100 * (1 - evaluate(net, test).total.accuracy()));

  const robustness::frost_pictures frost(argv[3]);
  const robustness::corruption_options options{robustness::severity_scale::cifar, &frost};
  std::vector<double> errors;
  for (const auto kind : robustness::benchmark_corruptions)
    for (int severity = 1; severity <= robustness::severities; ++severity) {
      const robustness::corrupted_source corrupted(test, kind, severity, seed{1}, options);
      errors.push_back(1 - evaluate(net, corrupted).total.accuracy());
    }
  std::printf("corrupted: %.1f %% wrong\n", 100 * robustness::mean_error(errors));

  const auto attacked =
      robustness::attack_ensemble(net, test, {.epsilon = 1, .steps = 20, .queries = 100, .images = 100});
  std::printf("%s\n%.1f %% right\n", description(attacked.how).c_str(), 100 * attacked.robust_accuracy());
  for (const auto& warning : attacked.warnings) std::printf("%s\n", warning.c_str());
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
