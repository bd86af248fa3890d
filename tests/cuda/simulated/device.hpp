// The CUDA device over CUDA's libraries as machine.hpp simulates them: all of ops/cuda, with loops that run on the
// processor.
#pragma once

#define ADVPROP_CUDA_EMULATED

#include <typeinfo>

#include <advprop/ops/cuda/runtime.hpp>

#include "machine.hpp"

namespace advprop::detail {

/// A launch, with f's type as the kernel's name.
template <class F>
void emulate(cuda_device& d, F f) {
  cuda_simulation::launch(d.stream(), typeid(F).name(), f);
  check_launch();
}

}  // namespace advprop::detail

#include <advprop/ops/cuda/all.cuh>

// What tests change about the device, and what they ask it, as with emulated.hpp; here until the object's end.
namespace device_tests {

using cuda_simulation::here;

template <class T>
class until_end {
 public:
  until_end(T& place, T value) : place_(place), before_(std::exchange(place, value)) {}
  until_end(const until_end&) = delete;
  until_end& operator=(const until_end&) = delete;
  ~until_end() { place_ = before_; }

 private:
  T& place_;
  T before_;
};

struct memory_limit : until_end<std::size_t> {
  memory_limit(advprop::cuda_device& d, std::size_t bytes)
      : until_end(here().memory, cuda_simulation::taken(d.index()) - d.memory().reserved() + bytes) {}
};
struct early_copies : until_end<unsigned> {
  early_copies(advprop::cuda_device&, bool early) : until_end(here().early, early ? 1u : 0u) {}
};
struct fusing : until_end<bool> {
  static constexpr bool can_change = true;
  fusing(advprop::cuda_device&, bool fuses) : until_end(here().fuses, fuses) {}
};
inline void fail_next_launch(advprop::cuda_device&) { here().fault = cuda_simulation::planned_fault{"kernel launch"}; }
inline long fused(advprop::cuda_device&) { return here().calls["fused convolution"]; }
inline long host_waits(advprop::cuda_device&) { return here().calls["cudaStreamSynchronize"]; }

}  // namespace device_tests
