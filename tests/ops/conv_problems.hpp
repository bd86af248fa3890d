// Convolution problems, their answers in double precision by the definition, and how far results are from them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "each_set.hpp"

#include <advprop/core/random.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/device/cpu.hpp>

namespace convolution_problems {

using namespace advprop;

// A feature map that owns its memory; lanes past the last channel are zero.
struct map {
  std::vector<float> values;
  shape s;
  int batch;
  map(int batch_, shape s_) : values(static_cast<std::size_t>(cpu::elements(batch_, s_))), s(s_), batch(batch_) {}
  feature_view<float> view() { return {values.data(), batch, s.channels, s.height, s.width}; }
  float& at(int n, int c, int h, int w) { return channel_block(view(), n, c / 8)[(h * s.width + w) * 8 + c % 8]; }
  void randomize(advprop::random_stream& r) {
    for (int n = 0; n < batch; ++n)
      for (int c = 0; c < s.channels; ++c)
        for (int h = 0; h < s.height; ++h)
          for (int w = 0; w < s.width; ++w) at(n, c, h, w) = r.uniform(-1, 1);
  }
  void poison() { std::fill(values.begin(), values.end(), std::nanf("")); }
};

struct problem {
  conv_spec s;
  int batch, height, width;
  std::string text() const {
    std::string t;
    for (int v : {s.in, s.out, s.kernel, s.stride, s.padding, s.groups, batch, height, width})
      t += std::to_string(v) + " ";
    return "in out kernel stride padding groups batch height width = " + t;
  }
};

// Zeros before the image: given, or TensorFlow's rule spelled out.
inline int zeros_before(const conv_spec& s, int extent) {
  if (s.padding >= 0) return s.padding;
  const int rest = extent % s.stride;
  return std::max(rest == 0 ? s.kernel - s.stride : s.kernel - rest, 0) / 2;
}

// Inputs and double-precision answers of all three passes, by the definition.
struct reference {
  problem p;
  map x, dy;
  std::vector<float> w;
  std::vector<double> y, dx, dw;
  double size_y = 0, size_dx = 0, size_dw = 0;  // the largest sums of absolute products

  enum contents { answers, inputs_only };  // large problems take long by the definition

  reference(problem q, advprop::random_stream r, contents what = answers)
      : p(q),
        x(q.batch, {q.s.in, q.height, q.width}),
        dy(q.batch, {q.s.out, q.s.output(q.height), q.s.output(q.width)}),
        w(static_cast<std::size_t>(q.s.out * (q.s.in / q.s.groups) * q.s.kernel * q.s.kernel)) {
    x.randomize(r);
    dy.randomize(r);
    for (float& v : w) v = r.uniform(-1, 1);
    if (what == answers) compute();
  }

  void compute() {
    std::vector<double> sizes_dx(x.values.size()), sizes_dw(w.size());
    y.assign(dy.values.size(), 0);
    dx.assign(x.values.size(), 0);
    dw.assign(w.size(), 0);
    const int inputs = p.s.in / p.s.groups, outputs = p.s.out / p.s.groups, k = p.s.kernel;
    const int above = zeros_before(p.s, p.height), left = zeros_before(p.s, p.width);
    for (int n = 0; n < p.batch; ++n)
      for (int o = 0; o < p.s.out; ++o)
        for (int oy = 0; oy < dy.s.height; ++oy)
          for (int ox = 0; ox < dy.s.width; ++ox) {
            const std::ptrdiff_t out = &dy.at(n, o, oy, ox) - dy.values.data();
            const double g = dy.values[static_cast<std::size_t>(out)];
            double sum = 0, size = 0;
            for (int i = 0; i < inputs; ++i)
              for (int ky = 0; ky < k; ++ky)
                for (int kx = 0; kx < k; ++kx) {
                  const int iy = oy * p.s.stride + ky - above, ix = ox * p.s.stride + kx - left;
                  if (iy < 0 || iy >= p.height || ix < 0 || ix >= p.width) continue;
                  float& value = x.at(n, o / outputs * inputs + i, iy, ix);
                  const auto wi = static_cast<std::size_t>(((o * inputs + i) * k + ky) * k + kx);
                  const auto xi = static_cast<std::size_t>(&value - x.values.data());
                  sum += double{value} * w[wi], size += std::abs(double{value} * w[wi]);
                  dx[xi] += g * w[wi], sizes_dx[xi] += std::abs(g * w[wi]);
                  dw[wi] += g * value, sizes_dw[wi] += std::abs(g * value);
                }
            y[static_cast<std::size_t>(out)] = sum;
            size_y = std::max(size_y, size);
          }
    for (double v : sizes_dx) size_dx = std::max(size_dx, v);
    for (double v : sizes_dw) size_dw = std::max(size_dw, v);
  }
};

// Largest difference relative to the largest value; infinite on NaN. Padding lanes are compared too (they are zero).
inline double difference(const std::vector<float>& a, const std::vector<double>& b, double scale = 0.1) {
  double most = 0;  // a sum of few products may cancel, hence the least scale
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double e = std::abs(a[i] - b[i]);
    if (!(e <= 1e30)) return HUGE_VAL;
    most = std::max(most, e);
    scale = std::max(scale, std::abs(b[i]));
  }
  return most / scale;
}

struct results {
  map y, dx;
  std::vector<float> dw;
};

template <class Forward, class Input, class Weight>
results run(int threads, reference& r, Forward forward, Input input, Weight weight) {
  cpu d(threads, tested);
  results out{map(r.p.batch, r.dy.s), map(r.p.batch, r.x.s), std::vector<float>(r.w.size(), 0.0f)};
  out.y.poison();
  out.dx.poison();
  forward(d, r.p.s, r.x.view(), r.w.data(), out.y.view());
  input(d, r.p.s, r.dy.view(), r.w.data(), out.dx.view());
  weight(d, r.p.s, r.x.view(), r.dy.view(), out.dw.data());
  CHECK(d.memory().in_use() == 0);
  return out;
}

inline bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline constexpr int tf_same = same_padding;
// in, out, kernel, stride, padding, groups; batch, height, width
inline const problem cases[] = {
    {{16, 16, 3, 1, 1, 1}, 3, 8, 8},       {{8, 8, 1, 1, 0, 1}, 2, 1, 1},         {{1, 1, 1, 1, 0, 1}, 1, 1, 1},
    {{1, 16, 3, 1, 1, 1}, 3, 28, 28},      {{3, 16, 3, 1, 1, 1}, 2, 16, 16},      {{3, 5, 5, 1, 2, 1}, 2, 9, 11},
    {{16, 32, 3, 2, 1, 1}, 3, 16, 16},     {{16, 32, 3, 2, 1, 1}, 2, 15, 13},     {{32, 24, 3, 1, 1, 1}, 2, 7, 7},
    {{12, 20, 3, 1, 1, 1}, 2, 14, 14},     {{9, 17, 3, 2, 1, 1}, 2, 5, 6},        {{40, 48, 1, 1, 0, 1}, 3, 5, 7},
    {{32, 64, 1, 2, 0, 1}, 2, 8, 8},       {{10, 7, 1, 2, 0, 1}, 2, 7, 9},        {{4, 6, 1, 1, 1, 1}, 2, 3, 3},
    {{3, 8, 7, 2, 3, 1}, 2, 20, 18},       {{5, 9, 7, 1, 3, 1}, 2, 4, 4},         {{8, 8, 5, 1, 2, 1}, 2, 1, 1},
    {{8, 8, 3, 1, 1, 1}, 2, 1, 1},         {{6, 10, 5, 2, 2, 1}, 2, 2, 3},        {{64, 64, 3, 1, 1, 1}, 2, 4, 4},
    {{72, 80, 3, 1, 1, 1}, 1, 8, 8},       {{8, 8, 3, 1, 0, 1}, 2, 6, 7},         {{8, 8, 3, 3, 1, 1}, 2, 10, 10},
    {{8, 8, 3, 1, 4, 1}, 2, 5, 5},         {{4, 8, 2, 2, 0, 1}, 2, 7, 8},         {{16, 16, 3, 1, 1, 16}, 2, 7, 7},
    {{24, 24, 5, 2, 2, 24}, 2, 9, 8},      {{12, 12, 3, 1, 1, 3}, 2, 6, 6},       {{20, 10, 3, 2, 1, 5}, 2, 7, 5},
    {{9, 18, 3, 1, 1, 9}, 2, 5, 5},        {{16, 16, 3, 1, 1, 1}, 2, 3, 33},      {{17, 33, 3, 1, 1, 1}, 1, 2, 1},
    {{8, 8, 3, 4, 0, 1}, 2, 9, 10},        {{8, 16, 18, 1, 9, 1}, 1, 4, 5},       {{64, 40, 3, 2, 1, 1}, 19, 8, 8},
    {{3, 32, 3, 2, tf_same, 1}, 2, 8, 10}, {{3, 32, 3, 2, tf_same, 1}, 2, 9, 7},  {{16, 20, 5, 2, tf_same, 1}, 2, 6, 9},
    {{8, 8, 2, 1, tf_same, 1}, 2, 5, 4},   {{8, 9, 1, 2, tf_same, 1}, 2, 6, 5},   {{4, 8, 3, 4, tf_same, 1}, 2, 9, 12},
    {{1, 6, 7, 2, tf_same, 1}, 1, 1, 2},   {{12, 12, 4, 3, tf_same, 3}, 2, 8, 7}, {{8, 16, 18, 1, tf_same, 1}, 1, 4, 5},
    {{16, 96, 1, 1, 0, 1}, 2, 6, 6},       {{24, 144, 1, 1, 0, 1}, 2, 5, 3},      {{144, 6, 1, 1, 0, 1}, 5, 1, 1},
    {{6, 144, 1, 1, 0, 1}, 5, 1, 1},       {{48, 20, 1, 2, tf_same, 1}, 3, 1, 1}, {{4, 10, 1, 1, 0, 2}, 3, 1, 1},
    {{32, 32, 3, 1, 1, 8}, 3, 9, 14},      {{32, 32, 3, 2, 1, 4}, 3, 7, 8},       {{32, 32, 3, 1, 1, 2}, 2, 5, 6},
    {{48, 96, 3, 2, 1, 6}, 2, 6, 7},       {{24, 24, 3, 1, 1, 6}, 2, 6, 5},       {{18, 24, 3, 1, 1, 3}, 2, 6, 5},
    {{24, 24, 1, 1, 0, 4}, 2, 5, 3},       {{16, 16, 1, 2, 0, 4}, 2, 5, 4},       {{80, 80, 3, 1, 1, 2}, 2, 7, 7},
    {{10, 30, 3, 1, 1, 5}, 2, 7, 7},       {{4, 4, 3, 1, 1, 2}, 2, 7, 7},         {{8, 8, 3, 4, 0, 2}, 2, 9, 10},
    {{16, 24, 3, 2, 0, 1}, 1, 33, 33},     {{17, 16, 3, 2, 2, 1}, 1, 30, 14},     {{16, 16, 3, 1, 1, 1}, 2, 21, 33},
    {{12, 20, 3, 1, 1, 1}, 2, 35, 33},
};

}  // namespace convolution_problems
