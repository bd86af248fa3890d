// One depthwise convolution of EfficientNet at a time: each pass, by the depthwise engine and by im2col.
//
//   bench_depthwise --benchmark_filter=depthwise/
// The shapes are layers of B0 at 224 x 224 with 8 images, on one thread; GFLOP/s count multiplications and additions.
// `bench/pytorch/depthwise.py` times the same in PyTorch.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/ops/cpu/engines.hpp>

namespace {

using namespace advprop;

struct layer {
  int channels, extent, kernel, stride;
};

enum class which { forward, input, weight };

void run(benchmark::State& bench, layer l, bool gemm, which pass) {
  cpu d(1);
  const int batch = 8;
  const conv_spec s{l.channels, l.channels, l.kernel, l.stride, same_padding, l.channels};
  const shape in{l.channels, l.extent, l.extent}, out{l.channels, s.output(l.extent), s.output(l.extent)};
  random_stream r(1);
  const auto numbers = [&](std::ptrdiff_t count) {
    std::vector<float> v(static_cast<std::size_t>(count));
    for (float& e : v) e = r.uniform(-1, 1);
    return v;
  };
  auto x = numbers(cpu::elements(batch, in)), y = numbers(cpu::elements(batch, out)),
       w = numbers(l.channels * l.kernel * l.kernel);
  const feature_view<float> vx{x.data(), batch, l.channels, l.extent, l.extent},
      vy{y.data(), batch, l.channels, out.height, out.width};
  for (auto _ : bench) {
    if (pass == which::forward) (gemm ? conv_gemm_forward : conv_depthwise_forward)(d, s, vx, w.data(), vy);
    if (pass == which::input) (gemm ? conv_gemm_backward_input : conv_depthwise_backward_input)(d, s, vy, w.data(), vx);
    if (pass == which::weight)
      (gemm ? conv_gemm_backward_weight : conv_depthwise_backward_weight)(d, s, vx, vy, w.data());
    benchmark::ClobberMemory();
  }
  bench.counters["GFLOP/s"] = benchmark::Counter(2e-9 * batch * static_cast<double>(out.size()) * l.kernel * l.kernel,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  for (const layer l :
       {layer{96, 112, 3, 1}, layer{96, 112, 3, 2}, layer{240, 28, 5, 1}, layer{672, 14, 5, 2}, layer{1152, 7, 3, 1}})
    for (const bool gemm : {false, true})
      for (const auto& [pass, text] : {std::pair{which::forward, "forward"}, std::pair{which::input, "backward_input"},
                                       std::pair{which::weight, "backward_weight"}}) {
        const std::string name = std::string(gemm ? "gemm" : "depthwise") + "/" + std::to_string(l.channels) + "x" +
                                 std::to_string(l.extent) + "/k" + std::to_string(l.kernel) + "s" +
                                 std::to_string(l.stride) + "/" + text;
        benchmark::RegisterBenchmark(name.c_str(),
                                     [l, gemm, pass = pass](benchmark::State& b) { run(b, l, gemm, pass); })
            ->Unit(benchmark::kMicrosecond)
            ->UseRealTime();
      }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
