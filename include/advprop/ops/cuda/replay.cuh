// When a step's operations become a graph, and the memory through which it talks to the host.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>

#include <advprop/device/cuda.hpp>
#include <advprop/ops/cuda/library.hpp>

namespace advprop {

namespace detail {

ADVPROP_CUDA_API void* cuda_state::pinned(std::size_t bytes) {
  pinned_slot* slot;
  if (recording_) {
    auto& pool = pools_[static_cast<std::size_t>(calls_ % 2)];
    if (pool.next == pool.slots.size()) pool.slots.emplace_back();
    slot = &pool.slots[pool.next++];
  } else {
    mark(slots_[next_slot_].used, operations);
    next_slot_ = (next_slot_ + 1) % slots_.size();
    slot = &slots_[next_slot_];
    wait(slot->used);
  }
  if (slot->bytes < bytes || !slot->memory) {
    if (recording_ && slot->memory) outgrown_.push_back(slot->memory);
    slot->bytes = std::max<std::size_t>(bytes, 256);
    slot->memory = take_pinned(slot->bytes);
  }
  return slot->memory.get();
}

ADVPROP_CUDA_API void cuda_state::wait_for_call(long call) {
  if (call > calls_ - 2) wait(pools_[static_cast<std::size_t>(call % 2)].done);  // replay waited for older ones
}

ADVPROP_CUDA_API long cuda_state::replay(cuda_recording& r, const std::function<void()>& f) {
  if (recording_) fail<argument_error>("cuda: replay inside replay");
  auto& pool = pools_[static_cast<std::size_t>((calls_ + 1) % 2)];
  wait(pool.done);
  pool.next = 0;
  ++calls_;
  const bool capture = r.state_ == cuda_recording::ready;
  const long waits = waits_, taken = taken_;
  if (capture) begin_capture();
  recording_ = r.state_ != cuda_recording::direct;  // so that f reads no loss
  try {
    f();
    if (capture) launch_capture(r.graph_);
  } catch (...) {
    recording_ = false;
    if (capture) {
      drop_capture();
      for (auto& [source, entry] : packed) entry.fresh = false;  // what would have made them was not run
    }
    try {
      mark(pool.done, operations);
    } catch (const error&) {  // the first error says more
    }
    throw;
  }
  recording_ = false;
  if (capture) {
    ++r.replays_;
  } else if (r.state_ == cuda_recording::learning && waits_ != waits) {
    r.state_ = cuda_recording::direct;
    std::fprintf(stderr, "advprop: a step waits for the GPU and cannot be captured as a CUDA graph; it runs without\n");
  } else if (r.state_ == cuda_recording::learning && taken_ == taken) {
    r.state_ = cuda_recording::ready;
  }
  mark(pool.done, operations);
  return calls_;
}

}  // namespace detail

ADVPROP_CUDA_API cuda_recording::cuda_recording() = default;
ADVPROP_CUDA_API cuda_recording::cuda_recording(cuda_recording&&) noexcept = default;
ADVPROP_CUDA_API cuda_recording& cuda_recording::operator=(cuda_recording&&) noexcept = default;
ADVPROP_CUDA_API cuda_recording::~cuda_recording() = default;

ADVPROP_CUDA_API long cuda_device::replay(cuda_recording& r, const std::function<void()>& f) {
  return state_->replay(r, f);
}
ADVPROP_CUDA_API void cuda_device::wait(long call) { state_->wait_for_call(call); }
ADVPROP_CUDA_API bool cuda_device::recording() const { return state_->recording(); }

}  // namespace advprop
