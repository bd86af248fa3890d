// Every operation of a training step and of an evaluation pass by itself, in the shapes of three networks.
//
//   bench_ops --benchmark_filter=resnet18-cifar/conv
// What there is to time comes from a plan (a dry run), so it is what the networks do. Names are network / operation /
// input shape / output shape; the label is a layer of that shape and the engine. Counters: GFLOP/s (those of direct
// convolution, which Winograd undercuts), GB/s (each operand once a sweep), and how often an AdvProp step with PGD-1
// and an evaluation pass do it. `bench/roofline.py` sets them beside what the machine can do.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <advprop/attacks/pgd.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/plan.hpp>

#include "replay.hpp"

namespace {

using namespace advprop;

struct timed {
  work_item item;
  int in_step, in_evaluation;
};

bool same(const work_item& a, const work_item& b) {
  return a.operation == std::string(b.operation) && a.batch == b.batch && a.in == b.in && a.out == b.out &&
         a.conv == b.conv && a.pool == b.pool && a.after == b.after && a.source == b.source && a.added == b.added &&
         a.read == b.read && a.written == b.written;
}

void count(std::vector<timed>& all, const work_plan& p, int timed::*where) {
  for (const work_item& i : p.items) {
    const auto at = std::find_if(all.begin(), all.end(), [&](const timed& t) { return same(t.item, i); });
    if (at != all.end())
      ++((*at).*where);
    else
      all.push_back({i, 0, 0}), all.back().*where = 1;
  }
}

std::string text(shape s) {
  return std::to_string(s.channels) + 'x' + std::to_string(s.height) + 'x' + std::to_string(s.width);
}

std::string name_of(const std::string& network, const work_item& i) {
  std::string name = network + "/" + i.operation;
  if (i.in == shape{}) return name + '/' + std::to_string(static_cast<long>((i.read + i.written) / 4));
  name += '/' + std::to_string(i.batch) + 'x' + text(i.in) + '/' + text(i.out);
  if (i.conv.in > 0) ((name += "/k") += std::to_string(i.conv.kernel) + 's') += std::to_string(i.conv.stride);
  constexpr const char* activations[] = {"", "/relu", "/silu", "/relu6"};
  name += activations[static_cast<int>(i.after)];
  if (i.added) name += "/add";
  if (i.operation == std::string("norm_backward")) name += i.source == statistics::batch ? "/batch" : "/running";
  return name;
}

void run(benchmark::State& bench, const timed& t, int threads) {
  cpu device(threads);
  const auto operation = bench::replay(device, t.item);
  operation();  // the arena grows here
  for (auto _ : bench) {
    operation();
    benchmark::ClobberMemory();
  }
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  if (t.item.flops > 0) bench.counters["GFLOP/s"] = benchmark::Counter(1e-9 * t.item.flops, rate);
  bench.counters["GB/s"] = benchmark::Counter(1e-9 * (t.item.read + t.item.written), rate);
  bench.counters["MFLOP"] = 1e-6 * t.item.flops;
  bench.counters["MB"] = 1e-6 * (t.item.read + t.item.written);
  bench.counters["step"] = t.in_step;
  bench.counters["evaluation"] = t.in_evaluation;
  bench.SetLabel(t.item.layer + " " + t.item.engine);
}

template <class Network>
void add(const std::string& network, int batch, int extent, int threads) {
  cpu dry(dry_run{}, threads);
  model<Network, domains<2>, cpu> net(dry);
  std::vector<timed> all;
  count(all, plan_training(net, adversarial_propagation(attack::pgd::paper(1)), sgd(), {batch, extent, extent}),
        &timed::in_step);
  count(all, plan_evaluation(net, batch, extent, extent), &timed::in_evaluation);
  for (const timed& t : all) {
    const std::string operation = t.item.operation;
    if (operation == "memory_copy" || operation == "norm_update_running") continue;
    benchmark::RegisterBenchmark(name_of(network, t.item).c_str(),
                                 [=](benchmark::State& state) { run(state, t, threads); })
        ->Unit(benchmark::kMicrosecond)
        ->UseRealTime();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* wanted = std::getenv("ADVPROP_THREADS");
  const int threads = wanted ? std::atoi(wanted) : 0;
  add<resnet18<10, cifar_stem, normalize<cifar10_statistics>>>("resnet18-cifar", 64, 32, threads);
  add<resnet50<1000>>("resnet50", 8, 224, threads);
  add<efficientnet_b0<1000, efficientnet::pytorch_style>>("efficientnet-b0", 8, 224, threads);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
