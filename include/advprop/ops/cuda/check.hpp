// Errors of the CUDA runtime.
#pragma once

#include <cuda_runtime_api.h>

#include <advprop/core/error.hpp>
#include <advprop/ops/cuda/operation.hpp>

namespace advprop::detail {

/// Throws `error` naming the call and the operation that makes it.
inline void check_cuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // or the next launch would report it again
  fail("cuda: ", call, ": ", cudaGetErrorString(status), operation_at_work::text());
}
/// Behind a launch with <<<>>>.
inline void check_launch() { check_cuda(cudaGetLastError(), "kernel launch"); }

}  // namespace advprop::detail
