// The one place where threads start: OpenMP, static schedule.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <vector>
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

/// `parallel_for` with an f that may throw: what each i threw, empty where it did not.
template <class F>
[[nodiscard]] std::vector<std::exception_ptr> parallel_try(int threads, std::ptrdiff_t count, const F& f) {
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
  parallel_for(threads, count, [&](std::ptrdiff_t i) {
    try {
      f(i);
    } catch (...) {
      errors[static_cast<std::size_t>(i)] = std::current_exception();
    }
  });
  return errors;
}

/// Throws the first error, so that it is the same one at any thread count.
inline void rethrow_first(const std::vector<std::exception_ptr>& errors) {
  for (const std::exception_ptr& e : errors)
    if (e) std::rethrow_exception(e);
}

/// Calls f(worker, first, last) for `workers` contiguous ranges that cover [0, count); each worker may own scratch.
template <class F>
void parallel_ranges(int threads, std::ptrdiff_t workers, std::ptrdiff_t count, F&& f) {
  parallel_for(threads, workers, [&](std::ptrdiff_t i) { f(i, count * i / workers, count * (i + 1) / workers); });
}

}  // namespace advprop
