// What this machine can do at most: fused multiply-adds from registers, and streams of tensors.
//
//   bench_roofline
// Built for this processor (preset release), so that the vectors are its widest. `bench/roofline.py` reads it.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <memory>
#include <string>

#include <advprop/core/parallel.hpp>

namespace {

#if defined(__AVX512F__)
constexpr int bytes = 64;
#elif defined(__AVX__)
constexpr int bytes = 32;
#else
constexpr int bytes = 16;
#endif
typedef float vector __attribute__((vector_size(bytes)));  // NOLINT: an attribute of this kind wants a typedef

/// As many independent sums as the pipelines need, few enough for the registers.
[[gnu::noinline]] float multiply_add(long steps) {
  constexpr int sums = bytes == 64 ? 24 : 12;
  vector s[sums];
  for (int k = 0; k < sums; ++k) s[k] = vector{} + static_cast<float>(k);  // else the compiler sees that all are equal
  vector a = vector{} + 1e-3f, b = vector{} + 0.999f;
  for (long i = 0; i < steps; ++i) {
    asm volatile("" : "+v"(a), "+v"(b));  // not known to be the same in every step
#pragma GCC unroll 32
    for (int k = 0; k < sums; ++k) s[k] = s[k] * b + a;
  }
  float total = 0;
  for (const vector& v : s) total += v[0];
  return total;
}

void fma(benchmark::State& bench, int threads) {
  constexpr long steps = 1 << 20;
  constexpr double flops = 2.0 * steps * (bytes == 64 ? 24 : 12) * bytes / sizeof(float);
  for (auto _ : bench)
    advprop::parallel_for(threads, threads, [](std::ptrdiff_t) { benchmark::DoNotOptimize(multiply_add(steps)); });
  bench.counters["GFLOP/s"] = benchmark::Counter(1e-9 * flops * threads, benchmark::Counter::kIsIterationInvariantRate);
}

/// copy: y = x. triad: y = x + s z. The traffic is what the program asks for: lines that are written are read, too, but
/// that does not count.
void stream(benchmark::State& bench, int threads, std::size_t mib, bool triad) {
  const auto count = static_cast<std::ptrdiff_t>((mib << 20) / sizeof(float));
  const auto make = [&] {
    std::unique_ptr<float[]> p(new float[static_cast<std::size_t>(count)]);
    for (std::ptrdiff_t i = 0; i < count; ++i) p[static_cast<std::size_t>(i)] = 1;
    return p;
  };
  const auto x = make(), y = make(), z = make();
  for (auto _ : bench) {
    advprop::parallel_for(threads, threads, [&](std::ptrdiff_t t) {
      const std::ptrdiff_t first = count * t / threads, last = count * (t + 1) / threads;
      float* to = y.get();
      const float *a = x.get(), *b = z.get();
      if (triad) {
#pragma omp simd
        for (std::ptrdiff_t i = first; i < last; ++i) to[i] = a[i] + 3.f * b[i];
      } else {
#pragma omp simd
        for (std::ptrdiff_t i = first; i < last; ++i) to[i] = a[i];
      }
    });
    benchmark::ClobberMemory();
  }
  bench.counters["GB/s"] = benchmark::Counter((triad ? 3e-9 : 2e-9) * static_cast<double>(count) * sizeof(float),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  for (const int threads : {1, 2}) {
    const std::string end = "/threads:" + std::to_string(threads);
    benchmark::RegisterBenchmark(("fma" + end).c_str(), [=](benchmark::State& s) { fma(s, threads); })->UseRealTime();
    // The sizes of feature maps, up to what no second-level cache holds; then what no cache here holds.
    for (const std::size_t mib : {1, 4, 16, 64, 512})
      for (const bool triad : {false, true})
        benchmark::RegisterBenchmark(((triad ? "triad/" : "copy/") + std::to_string(mib) + " MiB" + end).c_str(),
                                     [=](benchmark::State& s) { stream(s, threads, mib, triad); })
            ->UseRealTime();
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
