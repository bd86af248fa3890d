// Copies, fills, and what an operation does with an argument that lies in the host's memory.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>

#include <advprop/ops/cuda.hpp>
#include <advprop/ops/cuda/loops.cuh>

namespace advprop {

namespace detail {

/// Numbers to read on the device: where they are, or a copy if that is the host.
template <class N>
class resident {
 public:
  resident(cuda_device& d, const N* p, std::ptrdiff_t count) : data_(p) {
    if (!p || d.memory().owns(p)) return;
    copy_ = d.memory().allocate(static_cast<std::size_t>(count) * sizeof(N));
    d.state().upload(p, copy_.data(), static_cast<std::size_t>(count) * sizeof(N));
    data_ = static_cast<const N*>(copy_.data());
  }
  const N* data() const { return data_; }

 private:
  arena::block copy_;
  const N* data_;
};

/// Either side may be the host's.
inline void copy_bytes(cuda_device& d, const void* from, void* to, std::size_t bytes) {
  if (d.memory().owns(from))
    d.state().copy(from, to, bytes);
  else
    d.state().upload(from, to, bytes);
  if (!d.memory().owns(to)) d.wait();
}

}  // namespace detail

ADVPROP_CUDA_API void memory_copy(cuda_device& d, std::span<const float> from, std::span<float> to) {
  ADVPROP_NOTE(memory_copy(d, from, to));
  if (from.empty()) return;
  detail::copy_bytes(d, from.data(), to.data(), from.size_bytes());
  d.state().changed(to.data(), from.size_bytes());
}

template <class T>
void memory_copy(basic_cuda<T>& d, view_of<const T> from, view_of<T> to) {
  ADVPROP_NOTE(memory_copy(d, from, to));
  detail::copy_bytes(d, from.data, to.data, static_cast<std::size_t>(from.batch * from.image().size()) * sizeof(T));
}

ADVPROP_CUDA_API void memory_swap(cuda_device& d, std::span<float> a, std::span<float> b) {
  ADVPROP_NOTE(memory_swap(d, a, b));
  float *pa = a.data(), *pb = b.data();
  detail::each(d, std::ssize(a), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const float kept = pa[i];
    pa[i] = pb[i];
    pb[i] = kept;
  });
  d.state().changed(pa, a.size_bytes());
  d.state().changed(pb, b.size_bytes());
}

ADVPROP_CUDA_API std::span<const float> cuda_staging::bring(std::span<const float> from) {
  using state = detail::cuda_state;
  const auto bytes = static_cast<double>(from.size_bytes());
  ADVPROP_NAME(flat_item("staging", bytes, bytes));
  state& s = device_->state();
  place& p = places_[turn_ = 1 - turn_];
  s.wait(p.copied);
  if (p.bytes < from.size_bytes()) {
    p.bytes = 0;
    p.memory = device_->memory().allocate(from.size_bytes());
    if (!device_->dry()) p.pinned = s.take_pinned(from.size_bytes());
    p.bytes = from.size_bytes();
    s.mark(queued_, state::operations);  // somebody else's memory until these are done
  }
  const std::span<const float> there(static_cast<const float*>(p.memory.data()), from.size());
  if (device_->dry()) return there;
  std::memcpy(p.pinned.get(), from.data(), from.size_bytes());
  s.follow(state::copies, queued_);  // the last that read this place
  s.copy_beside(p.pinned.get(), p.memory.data(), from.size_bytes());
  s.mark(p.copied, state::copies);
  s.mark(queued_, state::operations);
  s.follow(state::operations, p.copied);
  return there;
}
ADVPROP_CUDA_API cuda_staging::~cuda_staging() { device_->state().drain(detail::cuda_state::copies); }

ADVPROP_CUDA_API void fill(cuda_device& d, float value, std::span<float> values) {
  ADVPROP_NOTE(fill(d, value, values));
  float* p = values.data();
  detail::each(d, std::ssize(values), [=] ADVPROP_HD(std::ptrdiff_t i) { p[i] = value; });
  d.state().changed(p, values.size_bytes());
}

ADVPROP_CUDA_API double squared_norm(cuda_device& d, std::span<const float> values) {
  ADVPROP_NOTE(squared_norm(d, values));
  const float* p = values.data();
  auto* sum = static_cast<float*>(d.state().pinned(sizeof(float)));
  *sum = 0;
  detail::column_sums<1>(
      d, 1, std::ssize(values), 1, detail::nothing_to_prepare(),
      [=] ADVPROP_HD(detail::nothing_to_prepare, int, std::ptrdiff_t i, int, float* sums) { *sums += p[i] * p[i]; },
      [=] ADVPROP_HD(int, int, const float* sums) { *sum = *sums; });
  d.wait();
  return static_cast<double>(*sum);
}

}  // namespace advprop
