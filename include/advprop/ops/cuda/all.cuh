// The CUDA device's operations, defined. Compile with nvcc --extended-lambda --expt-relaxed-constexpr.
#pragma once

#include <advprop/ops/cuda/activation.cuh>
#include <advprop/ops/cuda/conv.cuh>
#include <advprop/ops/cuda/conv_depthwise.cuh>
#include <advprop/ops/cuda/elementwise.cuh>
#include <advprop/ops/cuda/linear.cuh>
#include <advprop/ops/cuda/loss.cuh>
#include <advprop/ops/cuda/memory.cuh>
#include <advprop/ops/cuda/norm.cuh>
#include <advprop/ops/cuda/pool.cuh>
#include <advprop/ops/cuda/replay.cuh>
#ifdef __CUDACC__
#include <advprop/ops/cuda/runtime.hpp>
#endif
#include <advprop/ops/cuda/dry.cuh>
#include <advprop/ops/cuda/transform.cuh>
#include <advprop/ops/cuda/update.cuh>

namespace advprop {

ADVPROP_CUDA_API cuda_device::cuda_device(int index, float32_products products, engine_choice engines)
    : index_(index),
      products_(products),
      engines_(engines),
      state_(std::make_unique<detail::cuda_state>(index, engines)),
      memory_(std::make_unique<arena>(memory_source{[s = state_.get()](std::size_t bytes) { return s->take(bytes); },
                                                    [s = state_.get()](void* p) { s->give(p); }},
                                      detail::cuda_alignment)) {}

ADVPROP_CUDA_API cuda_device::cuda_device(dry_run, float32_products products, engine_choice engines,
                                          int multiprocessors)
    : index_(0),
      products_(products),
      engines_(engines),
      work_(std::make_unique<work_log>()),
      state_(std::make_unique<detail::dry_state>(*work_, engines, multiprocessors)),
      memory_(std::make_unique<arena>(arena::backing::addresses, detail::cuda_alignment)) {}

ADVPROP_CUDA_API cuda_device::~cuda_device() { state_->finish(); }

ADVPROP_CUDA_API int cuda_device::multiprocessors() const { return state_->multiprocessors(); }

ADVPROP_CUDA_API std::size_t cuda_device::free_memory() { return state_->free_memory(); }

ADVPROP_CUDA_API CUstream_st* cuda_device::stream() { return state_->stream(); }
ADVPROP_CUDA_API void cuda_device::changed(std::span<const float> numbers) {
  state_->changed(numbers.data(), numbers.size_bytes());
}

ADVPROP_CUDA_API void cuda_device::forget(std::span<const float> numbers) {
  state_->forget(numbers.data(), numbers.size_bytes());
}
ADVPROP_CUDA_API void cuda_device::prepare(const cuda_device& dry) { state_->prepare(dry.state_->met); }
ADVPROP_CUDA_API cuda_counts cuda_device::counts() const { return state_->counts; }
ADVPROP_CUDA_API void cuda_device::wait() { state_->wait(); }

}  // namespace advprop
