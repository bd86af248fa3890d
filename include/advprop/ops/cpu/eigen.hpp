// Eigen for matrix products: row-major views, one thread, no warnings from the compiler's own headers.
#pragma once

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

/// Eigen multiplies on one thread while this lives; its own split over threads would change the order of sums.
class single_thread_eigen {
 public:
  single_thread_eigen() : before_(Eigen::nbThreads()) { Eigen::setNbThreads(1); }
  ~single_thread_eigen() { Eigen::setNbThreads(before_); }
  single_thread_eigen(const single_thread_eigen&) = delete;
  single_thread_eigen& operator=(const single_thread_eigen&) = delete;

 private:
  int before_;
};

}  // namespace advprop::detail
