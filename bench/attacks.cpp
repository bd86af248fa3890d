// Robust accuracy and time of the evaluation attacks on the pretrained ResNet-20: our half of
// bench/compare/strong_attacks.py, which says how to run it.
#include <chrono>
#include <cstdio>
#include <string>

#include <advprop/ops/cpu.hpp>

#include <advprop/attacks/pgd.hpp>
#include <advprop/data/cifar.hpp>
#include <advprop/io/checkpoint.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/robustness/ensemble.hpp>
#include <advprop/training/evaluate.hpp>

using namespace advprop;
using namespace advprop::robustness;

namespace {

using network = resnet20<10, shortcut_option::a, normalize<imagenet_statistics>>;  // what its weights were trained with

int run(const std::string& data, const std::string& attack, bool euclidean, float epsilon, int steps, int images,
        int threads) {
  cpu device(threads);
  model<network, domains<1>, cpu> net(device);
  load(net, data + "/resnet20-cifar10-12fca82f.safetensors");
  const auto test = load_cifar10(data + "/cifar-10-batches-bin", split::test);
  const auto norm = euclidean ? attack::norm::l2 : attack::norm::linf;
  const auto begin = std::chrono::steady_clock::now();
  int robust = 0;
  if (attack == "pgd") {
    const attack::pgd pgd{.epsilon = epsilon, .step = epsilon / 4, .steps = steps, .norm = norm};
    robust = static_cast<int>(evaluate(net, test, {.images = images}, pgd).total.correct);
  } else {
    ensemble_options o{.epsilon = epsilon, .norm = norm, .steps = steps, .queries = steps, .images = images};
    if (attack == "apgd-ce") o.attacks = {evaluation_attack::apgd_cross_entropy};
    if (attack == "apgd-t") o.attacks = {evaluation_attack::apgd_targeted};
    if (attack == "fab") o.attacks = {evaluation_attack::fab};
    if (attack == "square") o.attacks = {evaluation_attack::square};
    const auto r = attack_ensemble(net, test, o);
    robust = static_cast<int>(std::count(r.robust.begin(), r.robust.end(), char{1}));
    for (const auto& w : r.warnings) std::fprintf(stderr, "%s: %s\n", attack.c_str(), w.c_str());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("{\"robust\": %d, \"seconds\": %.3f}\n", robust, seconds.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 8) {
    std::fprintf(stderr, "bench_attacks DATA pgd|apgd-ce|apgd-t|fab|square inf|two EPSILON STEPS IMAGES THREADS\n");
    return 2;
  }
  return run(argv[1], argv[2], std::string(argv[3]) == "two", std::stof(argv[4]), std::stoi(argv[5]),
             std::stoi(argv[6]), std::stoi(argv[7]));
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_attacks: %s\n", e.what());
  return 1;
}
