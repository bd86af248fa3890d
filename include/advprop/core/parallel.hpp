// The one place where threads start: OpenMP, static schedule.
#pragma once

#include <cstddef>
#ifdef _OPENMP
#include <omp.h>
#endif

namespace advprop {

/// Processors this process may use.
inline int processors() {
#ifdef _OPENMP
  return omp_get_num_procs();
#else
  return 1;
#endif
}

/// Calls f(i) for i in [0, count) on up to `threads` threads, each taking one contiguous range.
/// f must write only what belongs to its i, so the result has the same bits at any thread count; it must not throw.
template <class F>
void parallel_for(int threads, std::ptrdiff_t count, F&& f) {
#ifdef _OPENMP
  if (threads > 1 && count > 1) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::ptrdiff_t i = 0; i < count; ++i) f(i);
    return;
  }
#else
  (void)threads;
#endif
  for (std::ptrdiff_t i = 0; i < count; ++i) f(i);
}

}  // namespace advprop
