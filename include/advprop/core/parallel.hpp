// The one place where threads start: OpenMP, static schedule.
#pragma once

#include <algorithm>
#include <cstddef>
#ifdef _OPENMP
#include <omp.h>
#endif

namespace advprop {

/// Processors this process may use: fewer where OMP_NUM_THREADS says so.
inline int processors() {
#ifdef _OPENMP
  return std::min(omp_get_num_procs(), omp_get_max_threads());
#else
  return 1;
#endif
}

namespace detail {

/// Calls range(f, first, last) for ranges that cover [0, count), one per thread. Apart from `parallel_for` so that the
/// threads are not started by a template, once for every loop.
[[gnu::noinline]] inline void start_threads(int threads, std::ptrdiff_t count, const void* f,
                                            void (*range)(const void*, std::ptrdiff_t, std::ptrdiff_t)) {
#ifdef _OPENMP
  if (threads > 1 && count > 1) {
#pragma omp parallel num_threads(threads)
    {
      const std::ptrdiff_t n = omp_get_num_threads(), i = omp_get_thread_num();
      range(f, count * i / n, count * (i + 1) / n);
    }
    return;
  }
#else
  (void)threads;
#endif
  range(f, 0, count);
}

}  // namespace detail

/// Calls f(i) for i in [0, count) on up to `threads` threads, each taking one contiguous range.
/// f must write only what belongs to its i, so the result has the same bits at any thread count; it must not throw.
template <class F>
void parallel_for(int threads, std::ptrdiff_t count, const F& f) {
  detail::start_threads(threads, count, &f, [](const void* g, std::ptrdiff_t first, std::ptrdiff_t last) {
    for (std::ptrdiff_t i = first; i < last; ++i) (*static_cast<const F*>(g))(i);
  });
}

/// Calls f(worker, first, last) for `workers` contiguous ranges that cover [0, count); each worker may own scratch.
template <class F>
void parallel_ranges(int threads, std::ptrdiff_t workers, std::ptrdiff_t count, F&& f) {
  parallel_for(threads, workers, [&](std::ptrdiff_t i) { f(i, count * i / workers, count * (i + 1) / workers); });
}

}  // namespace advprop
