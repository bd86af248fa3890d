// Matrix products through cuBLASLt: one algorithm a shape, found once and kept.
#pragma once

#include <cublasLt.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/ops/cuda/handle.hpp>
#include <advprop/ops/cuda/library.hpp>
#include <advprop/ops/cuda/operation.hpp>

namespace advprop::detail {

inline void check_cublas(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail("cuda: ", call, ": ", cublasLtGetStatusString(status), operation_at_work::text());
}

/// cuBLASLt's matrices are column-major, and a row-major matrix is the transpose of the same numbers in columns: what
/// is computed is c^T = b^T a^T, so b comes first.
class cublas_product {
 public:
  cublas_product(cublasLtHandle_t handle, const matrix_product& p, std::array<int, 3> alignments)
      : problem_(p), alignments_(alignments) {
    const cudaDataType_t type = p.type == element_type::bfloat16 ? CUDA_R_16BF : CUDA_R_32F;
    const cudaDataType_t result = p.float_result ? CUDA_R_32F : type;
    const bool tf32 = p.type == element_type::float32 && p.products == float32_products::tf32;
    cublasLtMatmulDesc_t how;
    check_cublas(cublasLtMatmulDescCreate(&how, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate");
    how_ = description(how);
    const auto operation = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
    set(CUBLASLT_MATMUL_DESC_TRANSA, operation(p.transpose_b));
    set(CUBLASLT_MATMUL_DESC_TRANSB, operation(p.transpose_a));
    b_ = columns(type, p.transpose_b ? p.depth : p.columns, p.transpose_b ? p.columns : p.depth);
    a_ = columns(type, p.transpose_a ? p.rows : p.depth, p.transpose_a ? p.depth : p.rows);
    c_ = columns(result, p.columns, p.rows);

    cublasLtMatmulPreference_t wish;
    check_cublas(cublasLtMatmulPreferenceCreate(&wish), "cublasLtMatmulPreferenceCreate");
    const preference owner(wish);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t name, auto value) {
      check_cublas(cublasLtMatmulPreferenceSetAttribute(wish, name, &value, sizeof value),
                   "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_product_workspace);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(alignments[1]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(alignments[0]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(alignments[2]));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(alignments[2]));
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const auto status = cublasLtMatmulAlgoGetHeuristic(handle, how_.get(), b_.get(), a_.get(), c_.get(), c_.get(), wish,
                                                       1, &found, &count);
    if (status != CUBLAS_STATUS_SUCCESS || count == 0)
      fail("cuda: cuBLASLt has no algorithm for a product of ", p.rows, " x ", p.depth, " and ", p.depth, " x ",
           p.columns, ": ", cublasLtGetStatusString(status), operation_at_work::text());
    algorithm_ = found.algo;
    workspace_ = found.workspaceSize;
  }

  bool is_for(const matrix_product& p, const std::array<int, 3>& alignments) const {
    return problem_ == p && alignments_ == alignments;
  }
  std::size_t workspace() const { return workspace_; }

  void run(cublasLtHandle_t handle, cudaStream_t stream, const void* a, const void* b, void* c, void* workspace) const {
    const float one = 1, kept = problem_.accumulate ? 1 : 0;
    check_cublas(cublasLtMatmul(handle, how_.get(), &one, b, b_.get(), a, a_.get(), &kept, c, c_.get(), c, c_.get(),
                                &algorithm_, workspace, workspace_, stream),
                 "cublasLtMatmul");
  }

 private:
  using description = handle_owner<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
  using layout = handle_owner<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
  using preference = handle_owner<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

  void set(cublasLtMatmulDescAttributes_t name, cublasOperation_t value) {
    check_cublas(cublasLtMatmulDescSetAttribute(how_.get(), name, &value, sizeof value),
                 "cublasLtMatmulDescSetAttribute");
  }
  /// A dense column-major matrix.
  static layout columns(cudaDataType_t type, int rows, int count) {
    cublasLtMatrixLayout_t l;
    check_cublas(
        cublasLtMatrixLayoutCreate(&l, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(count), rows),
        "cublasLtMatrixLayoutCreate");
    return layout(l);
  }

  matrix_product problem_;
  std::array<int, 3> alignments_;  // of a, b and c
  description how_;
  layout a_, b_, c_;
  cublasLtMatmulAlgo_t algorithm_{};
  std::size_t workspace_ = 0;
};

}  // namespace advprop::detail
