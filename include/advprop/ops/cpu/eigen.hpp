// Eigen for matrix products: row-major views, one thread, no warnings from the compiler's own headers.
#pragma once

#include <mutex>

// g++ 12 takes its AVX-512 intrinsics for uninitialised reads (GCC bug 105593) wherever Eigen inlines them.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

namespace advprop::detail {

using gemm_matrix = Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
using gemm_operand = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

/// Eigen multiplies on one thread while one of these lives; its own split over threads would change the order of sums.
/// Counted, because Eigen's number of threads is the whole process's and devices may be at work in several threads.
class single_thread_eigen {
 public:
  single_thread_eigen() {
    const std::lock_guard lock(mutex_);
    if (alive_++ > 0) return;
    before_ = Eigen::nbThreads();
    Eigen::setNbThreads(1);
  }
  ~single_thread_eigen() {
    const std::lock_guard lock(mutex_);
    if (--alive_ == 0) Eigen::setNbThreads(before_);
  }
  single_thread_eigen(const single_thread_eigen&) = delete;
  single_thread_eigen& operator=(const single_thread_eigen&) = delete;

 private:
  static inline std::mutex mutex_;
  static inline int alive_ = 0, before_ = 1;
};

}  // namespace advprop::detail
