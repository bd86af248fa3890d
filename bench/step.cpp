// One training step: forward, backward, attack and SGD, as the program does it; and an evaluation pass.
//
//   bench_step --benchmark_filter=resnet20/fashion --benchmark_repetitions=5
// `bench/compare/step.py` times the same steps in PyTorch; `bench/compare/compare.py` runs the two alternately.
#include <benchmark/benchmark.h>

#include <sys/resource.h>

#include <initializer_list>
#include <string>

#include <advprop/attacks/pgd.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>

namespace {

using namespace advprop;

constexpr int evaluation = -1, head = -2;  // in place of a number of attack steps

template <class Model>
std::string last_layer(const Model& net) {
  std::string name;
  for (const parameter& p : net.table())
    if (p.role == role::bias) name = p.name.substr(0, p.name.rfind('.'));
  return name;
}

template <class Network>
void step(benchmark::State& bench, int batch, int extent, int attack_steps, execution how) {
  using network = model<Network, domains<2>, cpu>;
  cpu device;
  network net(device, seed{1});
  sgd rule{.learning_rate = 0.01f, .weight_decay = 5e-4f};
  if (attack_steps == head) rule.layer_rates = {{last_layer(net), 1}, {"", 0}};
  sgd::state<network> optimizer(rule, net);
  tensor<float, 4> images({batch, extent, extent, network::channels});
  tensor<int, 1> labels({batch});
  random_stream rng(7);
  for (float& v : images) v = rng.uniform();
  for (int& l : labels) l = rng.below(network::classes);
  const labelled_images streams[] = {{images.view(), labels.view()}};

  const bool demo = attack_steps == 2;  // of the case demo; the arithmetic is the same
  const float epsilon = demo ? 8.f : attack_steps == 1 ? 1.f : 4.f;
  adversarial_propagation method(attack::pgd{.epsilon = epsilon, .step = demo ? 4.f : 1.f, .steps = attack_steps});
  method.execution = how;
  const auto once = [&] {
    if (attack_steps == evaluation) {
      benchmark::DoNotOptimize(net.forward(images.view(), pass::evaluate(main_domain)));
      return;
    }
    net.zero_gradients();
    const step_options options{0, rng};
    if (attack_steps <= 0)
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
using torchvision_b0 = efficientnet_b0<1000, efficientnet::pytorch_style>;

std::string method_name(int attack_steps) {
  if (attack_steps == evaluation) return "evaluate";
  if (attack_steps == head) return "clean-head";
  return attack_steps == 0 ? "clean" : "advprop-pgd" + std::to_string(attack_steps);
}

template <class Network>
void add(const std::string& name, int batch, int extent, std::initializer_list<int> attack_steps) {
  for (int steps : attack_steps) {
    for (auto how : {execution::sequential, execution::concatenated}) {
      if (how == execution::concatenated && steps <= 0) continue;
      const std::string full =
          name + "/" + method_name(steps) + (how == execution::concatenated ? "/concatenated" : "");
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
  add<resnet20<10>>("resnet20/cifar10", 128, 32, {evaluation, head, 0, 1, 5});
  add<cifar18>("resnet18/cifar10", 64, 32, {evaluation, head, 0, 1, 5});
  add<resnet50<1000>>("resnet50/224", 8, 224, {evaluation, head, 0, 1});
  add<torchvision_b0>("efficientnet-b0/224", 8, 224, {evaluation, head, 0, 1, 5});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
