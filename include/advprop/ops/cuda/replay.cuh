// When a step's operations become a graph.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>

#include <advprop/device/cuda.hpp>
#include <advprop/ops/cuda/library.hpp>

namespace advprop {

namespace detail {

ADVPROP_CUDA_API void cuda_state::replay(cuda_recording& r, const std::function<void()>& f) {
  if (recording_) fail<argument_error>("cuda: replay inside replay");
  if (r.state_ == cuda_recording::direct) return f();
  const bool capture = r.state_ == cuda_recording::ready;
  const long waits = waits_, taken = taken_;
  open_pool();
  if (capture) begin_capture();
  recording_ = true;  // so that f reads no loss
  try {
    f();
  } catch (...) {
    recording_ = false;
    if (capture) {
      drop_capture();
      for (auto& [source, entry] : packed) entry.fresh = false;  // what would have made them was not run
    }
    throw;
  }
  recording_ = false;
  if (capture) {
    launch_capture(r.graph_);
    ++r.replays_;
  } else if (waits_ != waits) {
    r.state_ = cuda_recording::direct;
    std::fprintf(stderr, "advprop: a step waits for the GPU and cannot be captured as a CUDA graph; it runs without\n");
  } else if (taken_ == taken) {
    r.state_ = cuda_recording::ready;
  }
  close_pool();
}

}  // namespace detail

ADVPROP_CUDA_API cuda_recording::cuda_recording() = default;
ADVPROP_CUDA_API cuda_recording::cuda_recording(cuda_recording&&) noexcept = default;
ADVPROP_CUDA_API cuda_recording& cuda_recording::operator=(cuda_recording&&) noexcept = default;
ADVPROP_CUDA_API cuda_recording::~cuda_recording() = default;

ADVPROP_CUDA_API void cuda_device::replay(cuda_recording& r, const std::function<void()>& f) { state_->replay(r, f); }
ADVPROP_CUDA_API bool cuda_device::recording() const { return state_->recording(); }

}  // namespace advprop
