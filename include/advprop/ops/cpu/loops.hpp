// The loops over feature maps and flat arrays that the CPU's operations share.
#pragma once

#include <algorithm>
#include <cstddef>

#include <advprop/core/parallel.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/device/cpu.hpp>

namespace advprop::detail {

/// Floats of `count` rounded up to whole cache lines.
constexpr std::ptrdiff_t whole_lines(std::ptrdiff_t count) { return (count + 15) / 16 * 16; }

/// About how many cycles of a core with two FMA units it takes a step to go over `count` pixels (or Winograd's tiles),
/// `tile` at a time with `vectors` vectors of outputs: sums or loads are the bottleneck, and a sum has to wait for
/// itself; loop control comes on top.
constexpr double tile_cost(int tile, int vectors, std::ptrdiff_t count) {
  const double step = 0.5 * std::max({tile * vectors, tile + vectors, 8}) + 1.5;
  return static_cast<double>((count + tile - 1) / tile) * step;
}

/// Channels of block b that exist.
template <class T>
int channels_in_block(const feature_view<T>& x, int b) {
  return std::min(cpu::channel_block, x.channels - b * cpu::channel_block);
}

/// Threads for a sweep over `size` numbers: to start them takes as long as a few thousand.
inline int sweep_threads(const cpu& d, std::ptrdiff_t size) { return size < 16384 ? 1 : d.threads(); }

/// f(n, b) for every block of every image.
template <class T, class F>
void for_blocks(cpu& d, const feature_view<T>& x, F&& f) {
  const int count = channel_blocks(x);
  parallel_for(sweep_threads(d, cpu::elements(x.batch, x.image())), std::ptrdiff_t{x.batch} * count,
               [&](std::ptrdiff_t i) { f(static_cast<int>(i / count), static_cast<int>(i % count)); });
}

/// f(first, count) for ranges of [0, size) that depend on nothing but size; all but the last are `flat_range` long.
inline constexpr std::ptrdiff_t flat_range = 8192;
template <class F>
void for_chunks(cpu& d, std::ptrdiff_t size, F&& f) {
  parallel_for(d.threads(), (size + flat_range - 1) / flat_range,
               [&](std::ptrdiff_t i) { f(i * flat_range, std::min(flat_range, size - i * flat_range)); });
}

/// f(i) for i in [0, count), vectorised: GCC's -O2 needs to be told.
template <class F>
[[gnu::always_inline]] inline void for_each_index(std::ptrdiff_t count, F&& f) {
#if defined(_OPENMP) && !defined(__clang__)
#pragma omp simd
#endif
  for (std::ptrdiff_t i = 0; i < count; ++i) f(i);
}

}  // namespace advprop::detail
