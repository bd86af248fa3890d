// One training step: forward, backward, attack and SGD, as the demo and the CIFAR recipes do it.
//
//   bench_step --benchmark_filter=resnet20/fashion --benchmark_repetitions=5
// `bench/pytorch/step.py` times the same steps in PyTorch; `bench/compare.py` runs the two alternately.
#include <benchmark/benchmark.h>

#include <sys/resource.h>

#include <initializer_list>
#include <string>

#include <advprop/attacks/pgd.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>

namespace {

using namespace advprop;

template <class Network>
void step(benchmark::State& bench, int batch, int extent, int attack_steps, execution how) {
  constexpr int channels = Network::input::channels;
  cpu device;
  model<Network, domains<2>, cpu> net(device, seed{1});
  sgd::state<model<Network, domains<2>, cpu>> optimizer(sgd{.learning_rate = 0.1f, .weight_decay = 5e-4f}, net);
  tensor<float, 4> images({batch, extent, extent, channels});
  tensor<int, 1> labels({batch});
  random_stream rng(7);
  for (float& v : images) v = rng.uniform();
  for (int& l : labels) l = rng.below(10);
  const labelled_images streams[] = {{images.view(), labels.view()}};

  const bool demo = attack_steps == 2;  // cmake/demo.sh; the arithmetic is the same
  adversarial_propagation method(
      attack::pgd{.epsilon = demo ? 8.f : 4.f, .step = demo ? 4.f : 1.f, .steps = attack_steps});
  method.execution = how;
  const auto once = [&] {
    net.zero_gradients();
    const step_options options{0, rng};
    if (attack_steps == 0)
      clean_training{}.gradients(net, streams, options);
    else
      method.gradients(net, streams, options);
    optimizer.step();
  };
  once();  // the arena grows here
  for (auto _ : bench) once();
  bench.SetItemsProcessed(bench.iterations() * batch);
  bench.counters["arena_MiB"] = static_cast<double>(device.memory().peak()) / (1 << 20);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  bench.counters["process_MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;
}

using fashion20 = resnet20<10, shortcut_option::a, normalize<fashion_mnist_statistics>>;
using cifar18 = resnet18<10, cifar_stem, normalize<cifar10_statistics>>;

template <class Network>
void add(const std::string& name, int batch, int extent, std::initializer_list<int> attack_steps) {
  for (int steps : attack_steps) {
    const std::string method = steps == 0 ? "clean" : "advprop-pgd" + std::to_string(steps);
    for (auto how : {execution::sequential, execution::concatenated}) {
      if (how == execution::concatenated && steps == 0) continue;
      const std::string full = name + "/" + method + (how == execution::concatenated ? "/concatenated" : "");
      benchmark::RegisterBenchmark(full.c_str(),
                                   [=](benchmark::State& state) { step<Network>(state, batch, extent, steps, how); })
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  add<fashion20>("resnet20/demo", 64, 28, {0, 2});
  add<fashion20>("resnet20/fashion-mnist", 128, 28, {0, 1, 5});
  add<resnet20<10>>("resnet20/cifar10", 128, 32, {0, 1, 5});
  add<cifar18>("resnet18/cifar10", 64, 32, {0, 1, 5});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
