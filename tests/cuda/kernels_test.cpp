// The kernels of ops/cuda/loops.cuh themselves, thread by thread on the processor: threads take turns at barriers, in
// several orders. They must give the bits of the loops that stand for them in the other tests, whatever the order.
#if !defined(ADVPROP_GPU_TESTS) && !defined(ADVPROP_CUDA_SIMULATED)
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

namespace simulated {

struct extent {
  unsigned x = 1, y = 1, z = 1;
};
inline extent threadIdx, blockIdx, blockDim, gridDim;

/// One thread of a block: a stack of its own.
struct thread {
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack;
  extent index;
  bool ended = false;
};
inline ucontext_t scheduler;
inline thread* running = nullptr;
inline const std::function<void()>* kernel = nullptr;

inline void barrier() { swapcontext(&running->context, &scheduler); }
/// The word that the thread `half` on in the same warp has. Barriers hold back the whole block, which is more than a
/// warp does.
inline unsigned shuffle_down(unsigned, unsigned word, unsigned half) {
  static unsigned words[256];
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  words[own] = word;
  barrier();
  const unsigned other = own % 32 + half < 32 ? words[own + half] : word;
  barrier();
  return other;
}
inline void enter() {
  (*kernel)();
  running->ended = true;
}

/// Ready to run from its beginning. A function of its own: getcontext may return twice, which not every local survives.
[[gnu::noinline]] inline void rewind(thread& t) {
  constexpr std::size_t stack = std::size_t{64} << 10;
  if (!t.stack) t.stack = std::make_unique<std::byte[]>(stack);
  t.ended = false;
  getcontext(&t.context);
  t.context.uc_stack.ss_sp = t.stack.get();
  t.context.uc_stack.ss_size = stack;
  t.context.uc_link = &scheduler;
  makecontext(&t.context, enter, 0);
}

/// Runs the threads of each block from barrier to barrier. False where some end while others wait at a barrier.
inline bool launch(extent grid, extent block, unsigned seed, const std::function<void()>& f) {
  kernel = &f;
  gridDim = grid;
  blockDim = block;
  bool together = true;
  std::mt19937 order(seed);
  std::vector<thread> threads(std::size_t{block.x} * block.y);
  std::vector<thread*> turn;
  const auto run_block = [&] {
    for (std::size_t i = 0; i < threads.size(); ++i) {
      threads[i].index = {static_cast<unsigned>(i % block.x), static_cast<unsigned>(i / block.x), 0};
      rewind(threads[i]);
      turn.push_back(&threads[i]);
    }
    while (!turn.empty()) {
      std::shuffle(turn.begin(), turn.end(), order);
      for (thread* t : turn) {
        running = t;
        threadIdx = t->index;
        swapcontext(&scheduler, &t->context);
      }
      const auto ended = std::count_if(turn.begin(), turn.end(), [](thread* t) { return t->ended; });
      together = together && (ended == 0 || ended == static_cast<std::ptrdiff_t>(turn.size()));
      if (ended != 0) turn.clear();
    }
  };
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) run_block();
  return together;
}

}  // namespace simulated

#define ADVPROP_CUDA_KERNELS
#define __global__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __device__ inline
#define __syncthreads simulated::barrier
#define __shfl_down_sync simulated::shuffle_down
namespace advprop::detail {
using simulated::blockDim, simulated::blockIdx, simulated::gridDim, simulated::threadIdx;
}

#include "device_under_test.hpp"

using namespace device_tests;
namespace kernels = advprop::detail;

namespace {

struct matrix {
  int groups;
  std::ptrdiff_t rows;
  int columns;
};
constexpr matrix matrices[] = {{1, 1, 1},    {1, 5, 3},    {1, 1000, 1}, {1, 9000, 2}, {3, 70, 33},
                               {2, 400, 16}, {1, 257, 64}, {1, 4096, 5}, {5, 49, 130}};

std::vector<float> numbers_of(std::ptrdiff_t count) {
  std::mt19937 rng(7);
  std::vector<float> v(static_cast<std::size_t>(count));
  for (float& x : v) x = std::uniform_real_distribution<float>(-1, 1)(rng);
  return v;
}

/// What a column's rows share.
struct doubled {
  int operator()(int column) const { return 2 * column; }
};

}  // namespace

TEST_CASE("each_kernel comes to every index once") {
  const auto check = [&]<int Threads>(std::integral_constant<int, Threads>) {
    for (const std::ptrdiff_t count : {1, 255, 256, 257, 5000}) {
      std::vector<int> seen(static_cast<std::size_t>(count));
      const auto f = [&](std::ptrdiff_t i) { ++seen[static_cast<std::size_t>(i)]; };
      const auto blocks = static_cast<unsigned>((count + Threads - 1) / Threads);
      simulated::launch({blocks}, {Threads}, 1, [&] { kernels::each_kernel<Threads>(count, f); });
      CHECK(std::count(seen.begin(), seen.end(), 1) == count);
    }
  };
  check(std::integral_constant<int, kernels::block_threads>());
  check(std::integral_constant<int, 128>());
}

TEST_CASE("columns_kernel comes to every row and column once, with what was prepared for the column") {
  for (const matrix& m : matrices) {
    const kernels::tiling t(4, m.rows, m.columns, 1, 8, 2);
    std::vector<int> seen(static_cast<std::size_t>(m.rows * m.columns));
    const auto f = [&](int state, std::ptrdiff_t row, int column) {
      seen[static_cast<std::size_t>(row * m.columns + column)] += state == 2 * column ? 1 : 100;
    };
    simulated::launch({unsigned(t.tiles), unsigned(t.slices)}, {unsigned(t.x), unsigned(t.y)}, 1,
                      [&] { kernels::columns_kernel(m.rows, m.columns, doubled(), f); });
    CHECK(std::count(seen.begin(), seen.end(), 1) == m.rows * m.columns);
  }
}

namespace {

/// `sums` sums of each column, by the kernel in two launches and by the loop that stands for it: the same bits.
template <int sums>
void compare_sums() {
  int sliced = 0;
  for (const matrix& m : matrices) {
    CAPTURE(m.groups);
    CAPTURE(m.rows);
    CAPTURE(m.columns);
    const auto values = numbers_of(m.groups * m.rows * m.columns);
    const std::ptrdiff_t results = std::ptrdiff_t{sums} * m.groups * m.columns;
    cuda d;
    const numbers on_device(d, values), expected(d, std::vector<float>(static_cast<std::size_t>(results)));
    const auto term_of = [&](const float* x) {
      return [x, m](int state, int group, std::ptrdiff_t row, int column, float* s) {
        const float v = x[(group * m.rows + row) * m.columns + column];
        s[0] += v;
        for (int k = 1; k < sums; ++k)
          s[k] += (state + k) % 4 == 0 ? v : -v;  // no product: a compiler may fuse it with the sum in one place only
      };
    };
    const auto finish_to = [&](float* y) {
      return [y, m](int group, int column, const float* s) {
        for (int k = 0; k < sums; ++k) y[(std::ptrdiff_t{group} * m.columns + column) * sums + k] = s[k];
      };
    };
    kernels::column_sums<sums>(d, m.groups, m.rows, m.columns, doubled(), term_of(on_device.data()),
                               finish_to(expected.data()));

    const kernels::tiling t(d.multiprocessors(), m.rows, m.columns, m.groups, kernels::summing<sums>::blocks, 4);
    sliced += t.slices > 1;
    const auto block = [](const kernels::tiling& u) { return simulated::extent{unsigned(u.x), unsigned(u.y)}; };
    const auto grid = [&](const kernels::tiling& u) {
      return simulated::extent{unsigned(u.tiles), unsigned(u.slices), unsigned(m.groups)};
    };
    for (unsigned seed = 0; seed < 3; ++seed) {
      std::vector<float> found(static_cast<std::size_t>(results), -7.f);
      std::vector<float> partial(static_cast<std::size_t>(results * t.slices), -7.f);
      CHECK(simulated::launch(grid(t), block(t), seed, [&] {
        kernels::sums_kernel<sums>(m.rows, m.columns, doubled(), term_of(values.data()), finish_to(found.data()),
                                   partial.data());
      }));
      const auto slice_term = [&](int, int group, std::ptrdiff_t slice, int column, float* s) {
        for (int k = 0; k < sums; ++k)
          s[k] += partial[static_cast<std::size_t>(
              kernels::partial_place<sums>(std::ptrdiff_t{group} * t.slices + slice, k, m.columns, column))];
      };
      const auto second = kernels::tiling::of_slices(m.columns);
      if (t.slices > 1)
        CHECK(simulated::launch(grid(second), block(second), seed + 9, [&] {
          kernels::sums_kernel<sums>(t.slices, m.columns, doubled(), slice_term, finish_to(found.data()), nullptr);
        }));
      CHECK(found == expected.host());
    }
  }
  CHECK(sliced >= 3);
}

}  // namespace

TEST_CASE("sums_kernel gives the bits of the loop that stands for it, whatever the order of its threads") {
  compare_sums<2>();
  compare_sums<20>();  // more than go through shared memory at a time
}

TEST_CASE("rows_kernel gives the bits of the loop that stands for it, whatever the order of its threads") {
  struct sums_of_row {
    const float* x;
    int columns;
    float* y;
    struct state {
      float sum, alternating;
    };
    state start() const { return {0, 0}; }
    void add(state& s, std::ptrdiff_t row, int column) const {
      const float v = x[row * columns + column];
      s.sum += v;
      s.alternating += column % 2 ? v : -v;
    }
    void combine(state& s, const state& other) const {
      s.sum += other.sum;
      s.alternating += other.alternating;
    }
    void finish(std::ptrdiff_t row, const state& s) const {
      y[2 * row] = s.sum;
      y[2 * row + 1] = s.alternating;
    }
  };
  for (const auto& [rows, columns] : {std::pair{1, 1}, {3, 10}, {5, 32}, {9, 1000}}) {
    const auto values = numbers_of(rows * columns);
    const std::vector<float> none(static_cast<std::size_t>(2 * rows), -7.f);
    cuda d;
    const numbers on_device(d, values), expected(d, none);
    kernels::for_rows(d, rows, columns, sums_of_row{on_device.data(), columns, expected.data()});
    for (unsigned seed = 0; seed < 3; ++seed) {
      auto found = none;
      CHECK(simulated::launch({static_cast<unsigned>((rows + 3) / 4)}, {32, 4}, seed,
                              [&, rows = rows, columns = columns] {
                                kernels::rows_kernel(rows, columns, sums_of_row{values.data(), columns, found.data()});
                              }));
      CHECK(found == expected.host());
    }
  }
}
#endif
