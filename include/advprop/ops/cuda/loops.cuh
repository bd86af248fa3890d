// The loops that all of this device's own kernels are made of. With nvcc they are kernels; with another compiler they
// are loops on the processor over the same functors, in the same order, which is how the tests run those without a GPU
// (tests/cuda/emulated.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

#include <advprop/core/error.hpp>
#include <advprop/core/host_device.hpp>
#include <advprop/device/cuda.hpp>
#include <advprop/ops/cuda/library.hpp>
#include <advprop/ops/cuda/operation.hpp>
#include <advprop/ops/work.hpp>
#ifdef __CUDACC__
#include <cuda_runtime.h>

#include <advprop/ops/cuda/check.hpp>
#elif !defined(ADVPROP_CUDA_EMULATED)
#error "the CUDA device's kernels: compile this file with nvcc, or include ops/cuda.hpp and link advprop::cuda"
#endif

// Before a loop whose every turn is known: arrays that it indexes then lie in registers.
#ifdef __CUDACC__
#define ADVPROP_CUDA_UNROLL _Pragma("unroll")
#else
#define ADVPROP_CUDA_UNROLL
#endif

/// Errors from here to the block's end name the operation. Nothing of it is put together before there is one.
#define ADVPROP_NAME(call)                            \
  const auto described_ = [&] { return work::call; }; \
  const detail::operation_at_work at_work_(described_)

/// An operation's first line: a dry run writes it down with all that it takes from the arena until its end.
#define ADVPROP_NOTE(call)           \
  ADVPROP_NAME(call);                \
  std::optional<work::noted> noted_; \
  if (d.dry()) noted_.emplace(d, described_())

namespace advprop::detail {

inline constexpr int block_threads = 256, warp_lanes = 32;

/// How a matrix of rows and columns is dealt to blocks: `x` threads side by side take a column each, `y` lanes a row
/// each, and `slices` blocks share the rows. Columns are cut evenly, so that few threads have none.
struct tiling {
  int x = 1, y = block_threads, tiles = 1, slices = 1;

  /// For this many blocks per multiprocessor, of lanes with `least_rows` rows or more.
  tiling(int multiprocessors, std::ptrdiff_t rows, int columns, int groups, int blocks, int least_rows)
      : tiling(columns, 32) {
    const auto slices_of = [&](int lane) { return (rows + std::ptrdiff_t{lane} * y - 1) / (std::ptrdiff_t{lane} * y); };
    // Rather 8, which pay for what a lane prepares; but then small maps would leave multiprocessors without work.
    int lane = 8;
    while (lane > least_rows && tiles * groups * slices_of(lane) < multiprocessors) lane /= 2;
    const std::ptrdiff_t wanted = std::max(1, blocks * multiprocessors / (tiles * groups));
    slices = static_cast<int>(std::clamp<std::ptrdiff_t>(std::min(wanted, slices_of(lane)), 1, 65535));
  }
  /// Of sums that slices have left: few rows, so that few columns a block make more blocks.
  static tiling of_slices(int columns) { return {columns, 8}; }

 private:
  tiling(int columns, int side_by_side) {
    tiles = (columns + side_by_side - 1) / side_by_side;
    x = (columns + tiles - 1) / tiles;
    y = block_threads / x;
  }
};

/// How K sums a thread are taken. How many blocks share a multiprocessor is fixed, and registers by it, since a dry run
/// without a GPU plans the memory of as many slices.
template <int K>
struct summing {
  static constexpr int blocks = K <= 8 ? 4 : K < 32 ? 3 : 2;
  static constexpr int rows_at_once = K <= 4 ? 8 : K <= 8 ? 4 : K < 32 ? 2 : 1;
};

/// Where sum k of a slice's column lies among the partial sums: columns side by side, as threads read them.
template <int K>
ADVPROP_HD std::ptrdiff_t partial_place(std::ptrdiff_t slice, int k, int columns, int column) {
  return (slice * K + k) * columns + column;
}

// A test runs these on the processor as well, thread by thread (tests/cuda/kernels_test.cpp).
#if defined(__CUDACC__) || defined(ADVPROP_CUDA_KERNELS)

template <int Threads, class F>
__global__ void __launch_bounds__(Threads) each_kernel(std::ptrdiff_t count, F f) {
  const std::ptrdiff_t i = std::ptrdiff_t{blockIdx.x} * Threads + threadIdx.x;
  if (i < count) f(i);
}

template <class Prepare, class F>
__global__ void __launch_bounds__(block_threads)
    columns_kernel(std::ptrdiff_t rows, int columns, Prepare prepare, F f) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  const auto state = prepare(column);
  for (std::ptrdiff_t row = std::ptrdiff_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows;
       row += std::ptrdiff_t{gridDim.y} * blockDim.y)
    f(state, row, column);
}

template <int K, class Prepare, class Term, class Finish>
__global__ void __launch_bounds__(block_threads, summing<K>::blocks)
    sums_kernel(std::ptrdiff_t rows, int columns, Prepare prepare, Term term, Finish finish, float* partial) {
  constexpr int part = K < 16 ? K : 16;  // sums that are added up between the same barriers
  __shared__ float lanes[part][block_threads];
  const int column = blockIdx.x * blockDim.x + threadIdx.x, group = blockIdx.z;
  float sums[K] = {};
  if (column < columns) {
    const auto state = prepare(column);
    const std::ptrdiff_t step = std::ptrdiff_t{gridDim.y} * blockDim.y;
    std::ptrdiff_t row = std::ptrdiff_t{blockIdx.y} * blockDim.y + threadIdx.y;
    constexpr int together = summing<K>::rows_at_once;  // no test between them, so that all may be asked for at once
    for (; together > 1 && row + (together - 1) * step < rows; row += together * step) {
      ADVPROP_CUDA_UNROLL
      for (int i = 0; i < together; ++i) term(state, group, row + i * step, column, sums);
    }
    for (; row < rows; row += step) term(state, group, row, column, sums);
  }
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  ADVPROP_CUDA_UNROLL
  for (int first = 0; first < K; first += part) {
    ADVPROP_CUDA_UNROLL
    for (int k = 0; k < part; ++k)
      if (first + k < K) lanes[k][own] = sums[first + k];
    for (unsigned kept, left = blockDim.y; left > 1; left = kept) {
      kept = (left + 1) / 2;
      __syncthreads();
      if (threadIdx.y >= left - kept) continue;
      float other[part];  // all read before one is written, or each would wait for the one before
      ADVPROP_CUDA_UNROLL
      for (int k = 0; k < part; ++k) other[k] = lanes[k][own + kept * blockDim.x];
      ADVPROP_CUDA_UNROLL
      for (int k = 0; k < part; ++k)
        if (first + k < K) lanes[k][own] = sums[first + k] += other[k];  // the whole sum in row 0, which alone goes on
    }
    if (first + part < K) __syncthreads();  // before other rows are overwritten
  }
  if (threadIdx.y != 0 || column >= columns) return;
  if (gridDim.y == 1) {
    finish(group, column, sums);
  } else {
    const std::ptrdiff_t slice = std::ptrdiff_t{group} * gridDim.y + blockIdx.y;
    for (int k = 0; k < K; ++k) partial[partial_place<K>(slice, k, columns, column)] = sums[k];
  }
}

/// The state of the lane that far on in the same warp.
template <class State>
__device__ State shuffled_down(const State& state, unsigned distance) {
  static_assert(sizeof(State) % sizeof(unsigned) == 0);
  unsigned words[sizeof(State) / sizeof(unsigned)];
  std::memcpy(words, &state, sizeof state);
  ADVPROP_CUDA_UNROLL
  for (unsigned& word : words) word = __shfl_down_sync(0xffffffffu, word, distance);
  State other;
  std::memcpy(&other, words, sizeof other);
  return other;
}

template <class F>
__global__ void __launch_bounds__(block_threads) rows_kernel(std::ptrdiff_t rows, int columns, F f) {
  const std::ptrdiff_t row = std::ptrdiff_t{blockIdx.x} * blockDim.y + threadIdx.y;
  auto state = f.start();
  if (row < rows)
    for (int column = static_cast<int>(threadIdx.x); column < columns; column += warp_lanes) f.add(state, row, column);
  for (unsigned kept = warp_lanes / 2; kept > 0; kept /= 2) f.combine(state, shuffled_down(state, kept));
  if (row < rows && threadIdx.x == 0) f.finish(row, state);
}

#endif

/// f(i) for i in [0, count). Where f needs many registers, more of it is at work at once in smaller blocks.
template <int Threads = block_threads, class F>
void each(cuda_device& d, std::ptrdiff_t count, F f) {
  if (count <= 0 || d.dry()) return;
#ifdef __CUDACC__
  const auto blocks = static_cast<unsigned>((count + Threads - 1) / Threads);
  each_kernel<Threads><<<blocks, Threads, 0, d.stream()>>>(count, f);
  check_launch();
#else
  emulate(d, [=] {
    for (std::ptrdiff_t i = 0; i < count; ++i) f(i);
  });
#endif
}

template <class F>
struct unless_held {
  const float* held;
  F f;
  ADVPROP_HD void operator()(std::ptrdiff_t i) const {
    if (!held || *held == 0) f(i);
  }
};
/// `each` over numbers that are learnt: nothing, where a guard holds updates back.
template <class F>
void each_learnt(cuda_device& d, std::ptrdiff_t count, F f) {
  each(d, count, unless_held<F>{d.state().held, f});
}

/// f(prepare(column), row, column) for every row and column: what a column's rows share is prepared once a thread.
template <class Prepare, class F>
void for_columns(cuda_device& d, std::ptrdiff_t rows, int columns, Prepare prepare, F f) {
  if (rows <= 0 || columns <= 0 || d.dry()) return;
#ifdef __CUDACC__
  CUstream_st* const stream = d.stream();  // makes its device the current one
  // As many blocks as are at work at once: with half of them left for a second round the GPU would be half idle.
  static const int resident = [] {
    int blocks = 0;
    check_cuda(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, columns_kernel<Prepare, F>, block_threads, 0),
               "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
    return std::max(1, blocks);
  }();
  const tiling t(d.state().multiprocessors(), rows, columns, 1, resident, 2);
  columns_kernel<<<dim3(t.tiles, t.slices), dim3(t.x, t.y), 0, stream>>>(rows, columns, prepare, f);
  check_launch();
#else
  emulate(d, [=] {
    for (int c = 0; c < columns; ++c) {
      const auto state = prepare(c);
      for (std::ptrdiff_t r = 0; r < rows; ++r) f(state, r, c);
    }
  });
#endif
}

/// What f makes of each row: a warp's lanes add to a state of their own, f.add(f.start(), row, column), which are
/// combined in pairs, f.combine(state, other), and f.finish(row, state) takes the result. A state is made of words.
template <class F>
void for_rows(cuda_device& d, std::ptrdiff_t rows, int columns, F f) {
  if (rows <= 0 || d.dry()) return;
#ifdef __CUDACC__
  constexpr int together = 4;  // few rows, and each waits for its loads: rather more blocks than large ones
  rows_kernel<<<static_cast<unsigned>((rows + together - 1) / together), dim3(warp_lanes, together), 0, d.stream()>>>(
      rows, columns, f);
  check_launch();
#else
  emulate(d, [=] {
    for (std::ptrdiff_t row = 0; row < rows; ++row) {
      decltype(f.start()) lanes[warp_lanes];
      for (int lane = 0; lane < warp_lanes; ++lane) {
        lanes[lane] = f.start();
        for (int column = lane; column < columns; column += warp_lanes) f.add(lanes[lane], row, column);
      }
      for (int kept = warp_lanes / 2; kept > 0; kept /= 2)
        for (int lane = 0; lane < kept; ++lane) f.combine(lanes[lane], lanes[lane + kept]);
      f.finish(row, lanes[0]);
    }
  });
#endif
}

/// For columns whose rows share nothing.
struct nothing_to_prepare {
  ADVPROP_HD nothing_to_prepare operator()(int) const { return {}; }
};

/// The sums of each slice, in `partial`; where there is one slice, finished.
template <int K, class Prepare, class Term, class Finish>
void sum_slices(cuda_device& d, const tiling& t, int groups, std::ptrdiff_t rows, int columns, Prepare prepare,
                Term term, Finish finish, float* partial) {
#ifdef __CUDACC__
  sums_kernel<K><<<dim3(t.tiles, t.slices, groups), dim3(t.x, t.y), 0, d.stream()>>>(rows, columns, prepare, term,
                                                                                     finish, partial);
  check_launch();
#else
  emulate(d, [=] {
    for (int g = 0; g < groups; ++g)
      for (int slice = 0; slice < t.slices; ++slice)
        for (int c = 0; c < columns; ++c) {
          const auto state = prepare(c);
          float lanes[block_threads][K] = {};
          for (int y = 0; y < t.y; ++y)
            for (std::ptrdiff_t r = std::ptrdiff_t{slice} * t.y + y; r < rows; r += std::ptrdiff_t{t.slices} * t.y)
              term(state, g, r, c, lanes[y]);
          for (int kept, left = t.y; left > 1; left = kept) {
            kept = (left + 1) / 2;
            for (int y = 0; y < left - kept; ++y)
              for (int k = 0; k < K; ++k) lanes[y][k] += lanes[y + kept][k];
          }
          if (t.slices == 1)
            finish(g, c, lanes[0]);
          else
            for (int k = 0; k < K; ++k)
              partial[partial_place<K>(std::ptrdiff_t{g} * t.slices + slice, k, columns, c)] = lanes[0][k];
        }
  });
#endif
}

/// K sums for every column of each of `groups` matrices: term(prepare(column), group, row, column, sums) adds a row's
/// share, and finish(group, column, sums) takes the result. The order of the additions depends on the shape and the
/// GPU's size alone.
template <int K, class Prepare, class Term, class Finish>
void column_sums(cuda_device& d, int groups, std::ptrdiff_t rows, int columns, Prepare prepare, Term term,
                 Finish finish) {
  if (groups <= 0 || columns <= 0) return;
  if (groups > 65535) fail<argument_error>("cuda: ", groups, " images in one operation; at most 65535");
  const tiling t(d.state().multiprocessors(), rows, columns, groups, summing<K>::blocks, 4);
  arena::block memory;
  if (t.slices > 1)
    memory = d.memory().allocate(sizeof(float) * K * static_cast<std::size_t>(groups) *
                                 static_cast<std::size_t>(t.slices) * static_cast<std::size_t>(columns));
  if (d.dry()) return;
  auto* partial = static_cast<float*>(memory.data());
  sum_slices<K>(d, t, groups, rows, columns, prepare, term, finish, partial);
  if (t.slices == 1) return;
  // The slices' sums are rows to be added up, too.
  const int slices = t.slices;
  sum_slices<K>(
      d, tiling::of_slices(columns), groups, slices, columns, nothing_to_prepare(),
      [=] ADVPROP_HD(nothing_to_prepare, int group, std::ptrdiff_t slice, int column, float* sums) {
        for (int k = 0; k < K; ++k)
          sums[k] += partial[partial_place<K>(std::ptrdiff_t{group} * slices + slice, k, columns, column)];
      },
      finish, nullptr);
}

}  // namespace advprop::detail
