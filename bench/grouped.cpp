// One grouped convolution of ResNeXt-50 (32x4d) at a time: each pass, by the direct engine and by im2col.
//
//   ADVPROP_THREADS=1 bench_grouped --benchmark_filter=direct/
// The shapes are its 3x3 layers at 224 x 224 with 8 images, 32 groups; GFLOP/s count multiplications and additions.
// `bench/pytorch/grouped.py` times the same in PyTorch.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/ops/cpu/engines.hpp>

namespace {

using namespace advprop;

struct layer {
  int channels, extent, stride;
};

enum class which { forward, input, weight };

void run(benchmark::State& bench, layer l, bool gemm, which pass) {
  const char* wanted = std::getenv("ADVPROP_THREADS");
  cpu d(wanted ? std::atoi(wanted) : 0);
  const int batch = 8;
  const conv_spec s{l.channels, l.channels, 3, l.stride, 1, 32};
  const shape in{l.channels, l.extent, l.extent}, out{l.channels, s.output(l.extent), s.output(l.extent)};
  random_stream r(1);
  const auto numbers = [&](std::ptrdiff_t count) {
    std::vector<float> v(static_cast<std::size_t>(count));
    for (float& e : v) e = r.uniform(-1, 1);
    return v;
  };
  auto x = numbers(cpu::elements(batch, in)), y = numbers(cpu::elements(batch, out)),
       w = numbers(std::ptrdiff_t{s.out} * s.in / s.groups * 9);
  const feature_view<float> vx{x.data(), batch, in.channels, in.height, in.width},
      vy{y.data(), batch, out.channels, out.height, out.width};
  for (auto _ : bench) {
    if (pass == which::forward) (gemm ? conv_gemm_forward : conv_direct_forward)(d, s, vx, w.data(), vy);
    if (pass == which::input) (gemm ? conv_gemm_backward_input : conv_direct_backward_input)(d, s, vy, w.data(), vx);
    if (pass == which::weight) (gemm ? conv_gemm_backward_weight : conv_direct_backward_weight)(d, s, vx, vy, w.data());
    benchmark::ClobberMemory();
  }
  bench.counters["GFLOP/s"] = benchmark::Counter(2e-9 * batch * static_cast<double>(out.size()) * s.in / s.groups * 9,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  for (const bool gemm : {false, true})
    for (const layer l : {layer{128, 56, 1}, layer{256, 56, 2}, layer{256, 28, 1}, layer{512, 28, 2}, layer{512, 14, 1},
                          layer{1024, 14, 2}, layer{1024, 7, 1}})
      for (const auto& [pass, text] : {std::pair{which::forward, "forward"}, std::pair{which::input, "backward_input"},
                                       std::pair{which::weight, "backward_weight"}}) {
        const std::string name = std::string(gemm ? "gemm" : "direct") + "/" + std::to_string(l.channels) + "x" +
                                 std::to_string(l.extent) + "/s" + std::to_string(l.stride) + "/" + text;
        benchmark::RegisterBenchmark(name.c_str(),
                                     [l, gemm, pass = pass](benchmark::State& b) { run(b, l, gemm, pass); })
            ->Unit(benchmark::kMicrosecond)
            ->UseRealTime();
      }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
