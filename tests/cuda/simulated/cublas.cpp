// cuBLASLt, simulated: products of column-major matrices.
#include <cublasLt.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "machine.hpp"

struct cublasLtContext {
  int device = -1;
};

namespace {
using namespace cuda_simulation;

struct layout {
  cudaDataType type = CUDA_R_32F;
  std::ptrdiff_t rows = 0, columns = 0, leading = 0;
};
struct description {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cublasOperation_t a = CUBLAS_OP_N, b = CUBLAS_OP_N;
};
struct preference {
  std::uint64_t workspace = 0;
  std::uint32_t alignments[4] = {256, 256, 256, 256};  // of A, B, C and D
};
/// What an algorithm is good for.
struct algorithm {
  std::uint32_t alignments[4];
  std::uint64_t workspace, rows, columns, depth;
};
static_assert(sizeof(algorithm) <= sizeof(cublasLtMatmulAlgo_t));

/// Handles point to opaque structures: to these.
layout* own(cublasLtMatrixLayout_t l) { return reinterpret_cast<layout*>(l); }
description* own(cublasLtMatmulDesc_t d) { return reinterpret_cast<description*>(d); }
preference* own(cublasLtMatmulPreference_t p) { return reinterpret_cast<preference*>(p); }

auto& handles = all<cublasLtContext>("cuBLASLt handles");
auto& layouts = all<layout>("matrix layouts");
auto& descriptions = all<description>("matmul descriptors");
auto& preferences = all<preference>("matmul preferences");

template <class F>
cublasStatus_t call(const char* function, F f) {
  if (fails(function)) return CUBLAS_STATUS_INTERNAL_ERROR;
  const cublasStatus_t status = f();
  if (status != CUBLAS_STATUS_SUCCESS) complain(std::string(function) + ": " + cublasLtGetStatusString(status));
  return status;
}
template <class T>
cublasStatus_t destroy(const char* function, objects<T>& from, T* handle) {
  if (from.destroy(handle)) return CUBLAS_STATUS_SUCCESS;
  complain(std::string(function) + ": destroyed before");
  return CUBLAS_STATUS_INVALID_VALUE;
}
template <class V>
cublasStatus_t set(V& value, const void* p, std::size_t bytes) {
  if (!p || bytes != sizeof value) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&value, p, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

element element_of(const layout& l) { return l.type == CUDA_R_16BF ? element::bfloat16 : element::float32; }

struct product {
  description how;
  layout a, b, c;
  std::ptrdiff_t rows = 0, columns = 0, depth = 0;

  bool matches() const {
    const auto is = [](const layout& l, cublasOperation_t o, std::ptrdiff_t m, std::ptrdiff_t n) {
      return l.rows == (o == CUBLAS_OP_T ? n : m) && l.columns == (o == CUBLAS_OP_T ? m : n);
    };
    return is(a, how.a, rows, depth) && is(b, how.b, depth, columns) && is(c, CUBLAS_OP_N, rows, columns);
  }
  bool supported() const {
    const bool half = a.type == CUDA_R_16BF;
    return a.type == b.type && (half || (a.type == CUDA_R_32F && c.type == CUDA_R_32F)) &&
           (c.type == CUDA_R_32F || c.type == CUDA_R_16BF) &&
           (how.compute == CUBLAS_COMPUTE_32F || (how.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && !half));
  }
  static double at(const layout& l, cublasOperation_t o, const void* p, std::ptrdiff_t row, std::ptrdiff_t column) {
    if (o == CUBLAS_OP_T) std::swap(row, column);
    return load(element_of(l), p, column * l.leading + row);
  }
  void run(double alpha, const void* pa, const void* pb, double beta, void* pc) const {
    const bool rounds = how.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    for (std::ptrdiff_t i = 0; i < rows; ++i)
      for (std::ptrdiff_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (std::ptrdiff_t k = 0; k < depth; ++k) {
          const double x = at(a, how.a, pa, i, k), y = at(b, how.b, pb, k, j);
          sum += rounds ? tensor_float(x) * tensor_float(y) : x * y;
        }
        const std::ptrdiff_t to = j * c.leading + i;
        store(element_of(c), pc, to, alpha * sum + (beta == 0 ? 0 : beta * load(element_of(c), pc, to)));
      }
  }
};
bool product_of(product& p, cublasLtMatmulDesc_t how, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  for (auto l : {a, b, c})
    if (!layouts.has(own(l))) return false;
  if (!descriptions.has(own(how)) || c != d) return false;  // others are not simulated
  p.how = *own(how), p.a = *own(a), p.b = *own(b), p.c = *own(c);
  p.rows = p.c.rows, p.columns = p.c.columns;
  p.depth = p.how.a == CUBLAS_OP_T ? p.a.rows : p.a.columns;
  return p.matches();
}

}  // namespace

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return call(__func__, [&] {
    *handle = handles.make({current_device()});
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroy(__func__, handles, handle); }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t leading) {
  return call(__func__, [&] {
    if (rows == 0 || columns == 0 || leading < std::int64_t(rows)) return CUBLAS_STATUS_INVALID_VALUE;
    *l = reinterpret_cast<cublasLtMatrixLayout_t>(
        layouts.make({type, std::ptrdiff_t(rows), std::ptrdiff_t(columns), std::ptrdiff_t(leading)}));
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) { return destroy(__func__, layouts, own(l)); }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d, cublasComputeType_t compute, cudaDataType_t scale) {
  return call(__func__, [&] {
    if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
    *d = reinterpret_cast<cublasLtMatmulDesc_t>(descriptions.make({.compute = compute}));
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) { return destroy(__func__, descriptions, own(d)); }
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t name,
                                              const void* p, std::size_t bytes) {
  return call(__func__, [&] {
    if (!descriptions.has(own(d))) return CUBLAS_STATUS_INVALID_VALUE;
    auto& how = *own(d);
    if (name == CUBLASLT_MATMUL_DESC_TRANSA) return set(how.a, p, bytes);
    if (name == CUBLASLT_MATMUL_DESC_TRANSB) return set(how.b, p, bytes);
    return CUBLAS_STATUS_INVALID_VALUE;  // others are not simulated
  });
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* p) {
  return call(__func__, [&] {
    *p = reinterpret_cast<cublasLtMatmulPreference_t>(preferences.make({}));
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
  return destroy(__func__, preferences, own(p));
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void* value,
                                                    std::size_t bytes) {
  return call(__func__, [&] {
    if (!preferences.has(own(p))) return CUBLAS_STATUS_INVALID_VALUE;
    auto& wish = *own(p);
    if (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return set(wish.workspace, value, bytes);
    constexpr cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    for (int i = 0; i < 4; ++i)
      if (name == alignments[i]) return set(wish.alignments[i], value, bytes);
    return CUBLAS_STATUS_INVALID_VALUE;
  });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t how,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t wish, int most,
                                              cublasLtMatmulHeuristicResult_t found[], int* count) {
  return call(__func__, [&] {
    product p;
    *count = 0;
    if (!handles.has(handle) || !preferences.has(own(wish)) || most < 1 || !product_of(p, how, a, b, c, d))
      return CUBLAS_STATUS_INVALID_VALUE;
    if (!p.supported()) return CUBLAS_STATUS_NOT_SUPPORTED;
    const auto& w = *own(wish);
    algorithm best{{},
                   std::min<std::uint64_t>(w.workspace, 100000),
                   std::uint64_t(p.rows),
                   std::uint64_t(p.columns),
                   std::uint64_t(p.depth)};
    std::memcpy(best.alignments, w.alignments, sizeof w.alignments);
    found[0] = {};
    std::memcpy(&found[0].algo, &best, sizeof best);
    found[0].workspaceSize = best.workspace;
    found[0].state = CUBLAS_STATUS_SUCCESS;
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t how, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t la, const void* b, cublasLtMatrixLayout_t lb, const void* beta,
                              const void* c, cublasLtMatrixLayout_t lc, void* d, cublasLtMatrixLayout_t ld,
                              const cublasLtMatmulAlgo_t* algo, void* workspace, std::size_t bytes, cudaStream_t s) {
  return call(__func__, [&] {
    product p;
    if (!handles.has(handle) || handle->device != device_of(s) || c != d || !product_of(p, how, la, lb, lc, ld))
      return CUBLAS_STATUS_INVALID_VALUE;
    algorithm use;
    std::memcpy(&use, algo, sizeof use);
    if (std::ptrdiff_t(use.rows) != p.rows || std::ptrdiff_t(use.columns) != p.columns ||
        std::ptrdiff_t(use.depth) != p.depth || use.workspace > bytes)
      return CUBLAS_STATUS_INVALID_VALUE;
    const void* pointers[] = {a, b, c, d};
    for (int i = 0; i < 4; ++i)
      if (!pointers[i] || std::uintptr_t(pointers[i]) % use.alignments[i] != 0) return CUBLAS_STATUS_INVALID_VALUE;
    if (bytes > 0 && std::uintptr_t(workspace) % 16 != 0) return CUBLAS_STATUS_INVALID_VALUE;
    const double factor = double(*static_cast<const float*>(alpha)), kept = double(*static_cast<const float*>(beta));
    const auto status = enqueue(
        s, "product",
        [=, needed = std::size_t(use.workspace)] {
          spoil(workspace, needed);
          p.run(factor, a, b, kept, d);
        },
        0.01);
    return status == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
  });
}
