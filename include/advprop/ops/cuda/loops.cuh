// The loops that all of this device's own kernels are made of. With nvcc they are kernels; with another compiler they
// are loops on the processor over the same functors, in the same order, which is how the tests run those without a GPU
// (tests/cuda/emulated.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include <advprop/core/error.hpp>
#include <advprop/core/host_device.hpp>
#include <advprop/device/cuda.hpp>
#include <advprop/ops/cuda/library.hpp>
#include <advprop/ops/work.hpp>
#ifdef __CUDACC__
#include <cuda_runtime.h>
#elif !defined(ADVPROP_CUDA_EMULATED)
#error "the CUDA device's kernels: compile this file with nvcc, or include ops/cuda.hpp and link advprop::cuda"
#endif

// Before a loop whose every turn is known: arrays that it indexes then lie in registers.
#ifdef __CUDACC__
#define ADVPROP_CUDA_UNROLL _Pragma("unroll")
#else
#define ADVPROP_CUDA_UNROLL
#endif

/// An operation's first line: a dry run writes it down with all that it takes from the arena until its end.
#define ADVPROP_NOTE(call)           \
  std::optional<work::noted> noted_; \
  if (d.dry()) noted_.emplace(d, work::call)

namespace advprop::detail {

inline constexpr int block_threads = 256;

/// How a matrix of rows and columns is dealt to blocks: `x` threads side by side take a column each, `y` lanes a row
/// each, and `slices` blocks share the rows.
struct tiling {
  int x = 1, y = block_threads, tiles = 1, slices = 1;

  tiling(int multiprocessors, std::ptrdiff_t rows, int columns, int groups) {
    while (x < 32 && x < columns) x *= 2;
    y = block_threads / x;
    tiles = (columns + x - 1) / x;
    const std::ptrdiff_t wanted = std::max(1, 8 * multiprocessors / (tiles * groups));  // blocks that fill the GPU
    const std::ptrdiff_t most = (rows + 8 * y - 1) / (8 * y);                           // at least 8 rows a lane
    slices = static_cast<int>(std::clamp<std::ptrdiff_t>(std::min(wanted, most), 1, 65535));
  }
};

// A test runs these three on the processor as well, thread by thread (tests/cuda/kernels_test.cpp).
#if defined(__CUDACC__) || defined(ADVPROP_CUDA_KERNELS)

template <class F>
__global__ void __launch_bounds__(block_threads) each_kernel(std::ptrdiff_t count, F f) {
  const std::ptrdiff_t i = std::ptrdiff_t{blockIdx.x} * block_threads + threadIdx.x;
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
__global__ void __launch_bounds__(block_threads)
    sums_kernel(std::ptrdiff_t rows, int columns, Prepare prepare, Term term, Finish finish, float* partial) {
  __shared__ float lanes[block_threads];
  const int column = blockIdx.x * blockDim.x + threadIdx.x, group = blockIdx.z;
  float sums[K] = {};
  if (column < columns) {
    const auto state = prepare(column);
    for (std::ptrdiff_t row = std::ptrdiff_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows;
         row += std::ptrdiff_t{gridDim.y} * blockDim.y)
      term(state, group, row, column, sums);
  }
  for (int k = 0; k < K; ++k) {
    float* own = lanes + threadIdx.y * blockDim.x + threadIdx.x;
    *own = sums[k];
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
      __syncthreads();
      if (threadIdx.y < half) *own += own[half * blockDim.x];
    }
    sums[k] = *own;   // the whole sum in row 0, whose threads alone go on
    __syncthreads();  // before another row is overwritten
  }
  if (threadIdx.y != 0 || column >= columns) return;
  if (gridDim.y == 1) {
    finish(group, column, sums);
  } else {
    const std::ptrdiff_t at = (std::ptrdiff_t{group} * gridDim.y + blockIdx.y) * columns + column;
    for (int k = 0; k < K; ++k) partial[at * K + k] = sums[k];
  }
}

#endif
#ifdef __CUDACC__
inline void check_launch() {
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess)
    fail("cuda: kernel launch: ", cudaGetErrorString(status));
}
#endif

/// f(i) for i in [0, count).
template <class F>
void each(cuda_device& d, std::ptrdiff_t count, F f) {
  if (count <= 0 || d.dry()) return;
#ifdef __CUDACC__
  const auto blocks = static_cast<unsigned>((count + block_threads - 1) / block_threads);
  each_kernel<<<blocks, block_threads, 0, d.stream()>>>(count, f);
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
  const tiling t(d.state().multiprocessors(), rows, columns, 1);
  columns_kernel<<<dim3(t.tiles, t.slices), dim3(t.x, t.y), 0, d.stream()>>>(rows, columns, prepare, f);
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

/// For columns whose rows share nothing.
struct nothing_to_prepare {
  ADVPROP_HD nothing_to_prepare operator()(int) const { return {}; }
};

/// K sums for every column of each of `groups` matrices: term(prepare(column), group, row, column, sums) adds a row's
/// share, and finish(group, column, sums) takes the result. The order of the additions depends on the shape and the
/// GPU's size alone.
template <int K, class Prepare, class Term, class Finish>
void column_sums(cuda_device& d, int groups, std::ptrdiff_t rows, int columns, Prepare prepare, Term term,
                 Finish finish) {
  if (groups <= 0 || columns <= 0) return;
  if (groups > 65535) fail<argument_error>("cuda: ", groups, " images in one operation; at most 65535");
  const tiling t(d.state().multiprocessors(), rows, columns, groups);
  arena::block memory;
  if (t.slices > 1)
    memory = d.memory().allocate(sizeof(float) * K * static_cast<std::size_t>(groups) *
                                 static_cast<std::size_t>(t.slices) * static_cast<std::size_t>(columns));
  if (d.dry()) return;
  auto* partial = static_cast<float*>(memory.data());
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
          for (int half = t.y / 2; half > 0; half /= 2)
            for (int y = 0; y < half; ++y)
              for (int k = 0; k < K; ++k) lanes[y][k] += lanes[y + half][k];
          if (t.slices == 1)
            finish(g, c, lanes[0]);
          else
            std::copy_n(lanes[0], K, partial + ((std::ptrdiff_t{g} * t.slices + slice) * columns + c) * K);
        }
  });
#endif
  if (t.slices == 1) return;
  each(d, std::ptrdiff_t{groups} * columns, [=] ADVPROP_HD(std::ptrdiff_t i) {
    const std::ptrdiff_t g = i / columns, c = i % columns;
    float sums[K] = {};
    for (std::ptrdiff_t s = 0; s < t.slices; ++s)
      for (int k = 0; k < K; ++k) sums[k] += partial[((g * t.slices + s) * columns + c) * K + k];
    finish(static_cast<int>(g), static_cast<int>(c), sums);
  });
}

}  // namespace advprop::detail
