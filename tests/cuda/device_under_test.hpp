// The CUDA device that these tests run on: a GPU, with ADVPROP_GPU_TESTS; simulated libraries of CUDA's, with
// ADVPROP_CUDA_SIMULATED; or else the stand-in of emulated.hpp.
#pragma once

#if defined(ADVPROP_GPU_TESTS)
#include <advprop/ops/cuda.hpp>
#elif defined(ADVPROP_CUDA_SIMULATED)
#include "simulated/device.hpp"
#else
#define ADVPROP_CUDA_STAND_IN
#include "emulated.hpp"
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/attacks/device_images.hpp>
#include <advprop/layers/feature_map.hpp>

#include "../ops/maps.hpp"

namespace device_tests {

using namespace advprop;
using maps::map;

#ifdef ADVPROP_GPU_TESTS  // nothing can be changed about it
struct early_copies {
  early_copies(cuda_device&, bool) {}
};
struct fusing {
  static constexpr bool can_change = false;
  fusing(cuda_device&, bool) {}
};
#endif

/// The numbers that a device can hold: what is compared starts from the same on both.
template <class T>
map rounded(map m) {
  m.each([](float& v) { v = static_cast<float>(T(v)); });
  return m;
}

/// A host map in the device's memory and layout.
template <class T>
feature_map<basic_cuda<T>> upload(basic_cuda<T>& d, const map& m) {
  std::vector<T> nhwc;
  nhwc.reserve(m.values.size());
  for (int n = 0; n < m.batch; ++n)
    for (int h = 0; h < m.height; ++h)
      for (int w = 0; w < m.width; ++w)
        for (int c = 0; c < m.channels; ++c) nhwc.push_back(T(m(n, c, h, w)));
  feature_map<basic_cuda<T>> to(d, m.batch, {m.channels, m.height, m.width});
  memory_copy(d, {nhwc.data(), m.batch, m.channels, m.height, m.width}, to);
  d.wait();
  return to;
}
/// Of m's shape, with numbers that an operation has to overwrite.
template <class T>
feature_map<basic_cuda<T>> garbage(basic_cuda<T>& d, const map& m) {
  return upload(d, m.like());
}
template <class T>
map download(basic_cuda<T>& d, const feature_map<basic_cuda<T>>& x) {
  map m = map::zero(x.batch(), x.image().channels, x.image().height, x.image().width);
  std::vector<T> nhwc(static_cast<std::size_t>(x.batch() * x.image().size()));
  memory_copy(d, x, {nhwc.data(), m.batch, m.channels, m.height, m.width});
  auto v = nhwc.begin();
  for (int n = 0; n < m.batch; ++n)
    for (int h = 0; h < m.height; ++h)
      for (int w = 0; w < m.width; ++w)
        for (int c = 0; c < m.channels; ++c) m(n, c, h, w) = static_cast<float>(*v++);
  return m;
}

/// Plain numbers in the device's memory.
class numbers {
 public:
  numbers(cuda_device& d, std::span<const float> values)
      : device_(&d), memory_(d.memory().allocate(values.size_bytes())), count_(values.size()) {
    memory_copy(d, values, span());
  }
  float* data() const { return static_cast<float*>(memory_.data()); }
  std::span<float> span() const { return {data(), count_}; }
  std::vector<float> host() const {
    std::vector<float> v(count_);
    memory_copy(*device_, std::span<const float>(span()), v);
    return v;
  }

 private:
  cuda_device* device_;
  arena::block memory_;
  std::size_t count_;
};

/// The largest |a - b| / (1 + |b|); infinite for a NaN where the other has none.
inline double distance(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double e = std::abs(double(a[i]) - double(b[i])) / (1 + std::abs(double(b[i])));
    worst = std::isnan(e) ? HUGE_VAL : std::max(worst, e);
  }
  return worst;
}
inline double distance(const map& a, const map& b) {
  return maps::error(a, [&](int n, int c, int h, int w) { return double(b(n, c, h, w)); });
}

/// What may lie between the devices' results: float32 adds in another order; bfloat16 rounds a result to 8 bits.
template <class T>
constexpr double bound = std::is_same_v<T, float> ? 1e-5 : 1. / 256;

}  // namespace device_tests

TYPE_TO_STRING(advprop::bfloat16);
/// A test on a device of floats and on one of bfloat16; the element type is T.
#define TEST_EACH_ELEMENT(name) TEST_CASE_TEMPLATE(name, T, float, advprop::bfloat16)
