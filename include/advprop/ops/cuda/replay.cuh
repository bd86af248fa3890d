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
  if (r.state_ == cuda_recording::learning) {
    const long waits = waits_, taken = taken_;
    recording_ = true;  // so that f reads no loss; nothing is captured yet
    try {
      f();
    } catch (...) {
      recording_ = false;
      throw;
    }
    recording_ = false;
    if (waits_ != waits) {
      r.state_ = cuda_recording::direct;
      std::fprintf(stderr,
                   "advprop: a step waits for the GPU and cannot be captured as a CUDA graph; it runs without\n");
    } else if (taken_ == taken) {
      r.state_ = cuda_recording::ready;
    }
    return;
  }
  if (r.state_ == cuda_recording::direct) {
    f();
    return;
  }
  begin_capture();
  recording_ = true;
  try {
    f();
  } catch (...) {
    recording_ = false;
    drop_capture();
    throw;
  }
  recording_ = false;
  launch_capture(r.graph_);
  ++r.replays_;
}

}  // namespace detail

ADVPROP_CUDA_API cuda_recording::cuda_recording() = default;
ADVPROP_CUDA_API cuda_recording::cuda_recording(cuda_recording&&) noexcept = default;
ADVPROP_CUDA_API cuda_recording& cuda_recording::operator=(cuda_recording&&) noexcept = default;
ADVPROP_CUDA_API cuda_recording::~cuda_recording() = default;

ADVPROP_CUDA_API void cuda_device::replay(cuda_recording& r, const std::function<void()>& f) { state_->replay(r, f); }
ADVPROP_CUDA_API bool cuda_device::recording() const { return state_->recording(); }

}  // namespace advprop
