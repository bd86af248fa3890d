// Feature maps for tests: made of random numbers, read by channel, with their pad lanes watched.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/device/cpu.hpp>

namespace maps {

inline constexpr float garbage = 1234.5f;

/// Owns a feature map in the CPU's layout.
struct map {
  int batch, channels, height, width;
  std::vector<float> values;

  /// Filled with garbage, pad lanes too: an op that overwrites must overwrite all of it.
  map(int n, int c, int h, int w)
      : batch(n),
        channels(c),
        height(h),
        width(w),
        values(static_cast<std::size_t>(advprop::cpu::elements(n, {c, h, w})), garbage) {}

  /// Normal numbers times `deviation` plus `mean`; pad lanes zero.
  static map random(int n, int c, int h, int w, std::uint64_t seed, float deviation = 1, float mean = 0) {
    map m(n, c, h, w);
    advprop::random_stream r(seed);
    m.values.assign(m.values.size(), 0.f);
    m.each([&](float& v) { v = mean + deviation * r.normal(); });
    return m;
  }
  static map zero(int n, int c, int h, int w) {
    map m(n, c, h, w);
    m.values.assign(m.values.size(), 0.f);
    return m;
  }
  map like() const { return {batch, channels, height, width}; }

  std::size_t index(int n, int c, int h, int w) const {
    const int blocks = (channels + 7) / 8;
    return static_cast<std::size_t>((((std::ptrdiff_t{n} * blocks + c / 8) * height + h) * width + w) * 8 + c % 8);
  }
  float& operator()(int n, int c, int h = 0, int w = 0) { return values[index(n, c, h, w)]; }
  float operator()(int n, int c, int h = 0, int w = 0) const { return values[index(n, c, h, w)]; }

  operator advprop::feature_view<float>() { return {values.data(), batch, channels, height, width}; }
  operator advprop::feature_view<const float>() const { return {values.data(), batch, channels, height, width}; }

  /// f(n, c, h, w) in NCHW order, or f(value).
  template <class F>
  void each_index(F f) const {
    for (int n = 0; n < batch; ++n)
      for (int c = 0; c < channels; ++c)
        for (int h = 0; h < height; ++h)
          for (int w = 0; w < width; ++w) f(n, c, h, w);
  }
  template <class F>
  void each(F f) {
    each_index([&](int n, int c, int h, int w) { f((*this)(n, c, h, w)); });
  }

  bool pads_are_zero() const {
    const int blocks = (channels + 7) / 8;
    for (int n = 0; n < batch; ++n)
      for (int c = channels; c < 8 * blocks; ++c)
        for (int h = 0; h < height; ++h)
          for (int w = 0; w < width; ++w)
            if (values[index(n, c, h, w)] != 0) return false;
    return true;
  }
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
inline bool same_bits(const map& a, const map& b) { return same_bits(a.values, b.values); }

/// The largest |a - reference(n, c, h, w)| / (1 + |reference|); infinite for a NaN.
template <class F>
double error(const map& a, F reference) {
  double worst = 0;
  a.each_index([&](int n, int c, int h, int w) {
    const double r = reference(n, c, h, w), e = std::abs(a(n, c, h, w) - r) / (1 + std::abs(r));
    worst = e <= worst ? worst : std::isnan(e) ? HUGE_VAL : e;
  });
  return worst;
}

inline double dot(const map& a, const map& b) {
  double sum = 0;
  a.each_index([&](int n, int c, int h, int w) { sum += double(a(n, c, h, w)) * double(b(n, c, h, w)); });
  return sum;
}

/// The central difference of loss() when `value` moves by `step` either way.
template <class F>
double slope(float& value, float step, F loss) {
  const float kept = value, high = kept + step, low = kept - step;
  value = high;
  const double up = loss();
  value = low;
  const double down = loss();
  value = kept;
  return (up - down) / (double(high) - double(low));
}

inline std::vector<float> normals(int count, std::uint64_t seed, float deviation = 1, float mean = 0) {
  std::vector<float> v(static_cast<std::size_t>(count));
  advprop::random_stream r(seed);
  for (float& e : v) e = mean + deviation * r.normal();
  return v;
}

}  // namespace maps
