// Depthwise convolutions: they are bound by memory, so a thread computes a vector of channels of one pixel.
#pragma once

#include <advprop/ops/cuda/pool.cuh>

namespace advprop {

namespace detail {

// Weights come tap by tap, a float a channel (`pack_depthwise`): V of them are one access.

/// A window over one map: where it begins, and how many pixels it moves.
struct depthwise_window {
  int kernel, stride, top, left;
  depthwise_window(const conv_spec& s, shape in)
      : kernel(s.kernel), stride(s.stride), top(s.before(in.height)), left(s.before(in.width)) {}
};

/// What is done with a result before it is stored: y = after(v + bias + add).
template <class T>
struct depthwise_end {
  const float* bias = nullptr;  // null: none
  const T* add = nullptr;       // null: none
  activation after = activation::identity;
};

template <int V, class T>
void depthwise_forward_at(cuda_device& d, depthwise_window s, const T* x, grid in, const float* w, T* y, grid out,
                          depthwise_end<T> end) {
  each(d, out.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = out.at(i);
    floats<V> sum{};
    for (int r = 0; r < s.kernel; ++r)
      for (int q = 0; q < s.kernel; ++q) {
        const int h = p.h * s.stride - s.top + r, c = p.w * s.stride - s.left + q;
        if (!in.inside(h, c)) continue;
        const floats<V> v = load<V>(x, in.index(p.n, h, c, p.column));
        const floats<V> f = load<V>(w, std::ptrdiff_t{r * s.kernel + q} * in.columns + p.column);
        for (int k = 0; k < V; ++k) sum[k] += v[k] * f[k];
      }
    if (end.bias)
      for (int k = 0; k < V; ++k) sum[k] += end.bias[p.column * V + k];
    if (end.add) {
      const floats<V> v = load<V>(end.add, i);
      for (int k = 0; k < V; ++k) sum[k] += v[k];
    }
    for (int k = 0; k < V; ++k) sum[k] = activate(end.after, sum[k]);
    store<V>(y, i, sum);
  });
}

/// `y`: where the gradient has still to go through the activation `a`, whose results these are.
template <int V, class T>
void depthwise_backward_input_at(cuda_device& d, depthwise_window s, const T* dy, grid out, const float* w, T* dx,
                                 grid in, const T* added, activation a, const T* y) {
  each(d, in.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = in.at(i);
    floats<V> sum{};
    if (added) sum = load<V>(added, i);
    const windows rows(s.kernel, s.stride, s.top, p.h, out.height);
    const windows columns(s.kernel, s.stride, s.left, p.w, out.width);
    for (int oh = rows.first; oh <= rows.last; ++oh)
      for (int ow = columns.first; ow <= columns.last; ++ow) {
        const int r = p.h + s.top - oh * s.stride, q = p.w + s.left - ow * s.stride;
        floats<V> g = load<V>(dy, out.index(p.n, oh, ow, p.column));
        if (a != activation::identity) {
          const floats<V> v = load<V>(y, out.index(p.n, oh, ow, p.column));
          for (int k = 0; k < V; ++k) g[k] *= slope(a, v[k]);
        }
        const floats<V> f = load<V>(w, std::ptrdiff_t{r * s.kernel + q} * in.columns + p.column);
        for (int k = 0; k < V; ++k) sum[k] += g[k] * f[k];
      }
    store<V>(dx, i, sum);
  });
}

/// One row of taps at a time: Kernel * V sums a thread.
template <int Kernel, int V, class T>
void depthwise_backward_weight_at(cuda_device& d, depthwise_window s, const T* x, grid in, const T* dy, grid out,
                                  float* dw) {
  for (int r = 0; r < Kernel; ++r) {
    const auto term = [=] ADVPROP_HD(nothing_to_prepare, int, std::ptrdiff_t row, int column, float* sums) {
      const place p = out.at(row * out.columns + column);
      const int h = p.h * s.stride - s.top + r;
      if (h < 0 || h >= in.height) return;
      const floats<V> g = load<V>(dy, row * out.columns + column);
      for (int q = 0; q < Kernel; ++q) {
        const int c = p.w * s.stride - s.left + q;
        if (c < 0 || c >= in.width) continue;
        const floats<V> v = load<V>(x, in.index(p.n, h, c, column));
        for (int k = 0; k < V; ++k) sums[q * V + k] += g[k] * v[k];
      }
    };
    column_sums<Kernel * V>(d, 1, out.size() / out.columns, out.columns, nothing_to_prepare(), term,
                            [=] ADVPROP_HD(int, int column, const float* sums) {
                              for (int k = 0; k < V; ++k)
                                for (int q = 0; q < Kernel; ++q)
                                  dw[(column * V + k) * Kernel * Kernel + r * Kernel + q] += sums[q * V + k];
                            });
  }
}

template <class T>
void depthwise_forward(cuda_device& d, const conv_spec& s, feature_view<const T> x, const float* w, feature_view<T> y,
                       const depthwise_end<T>& end = {}) {
  const depthwise_window window(s, x.image());
  with_width<T>(
      x.channels, [&]<int V>() { depthwise_forward_at<V>(d, window, x.data, grid(x, V), w, y.data, grid(y, V), end); },
      x.data, y.data, end.add);
}

template <class T>
void depthwise_backward_input(cuda_device& d, const conv_spec& s, feature_view<const T> dy, const float* w,
                              feature_view<T> dx, feature_view<const T> added, activation a = activation::identity,
                              const T* y = nullptr) {
  const depthwise_window window(s, dx.image());
  with_width<T>(
      dx.channels,
      [&]<int V>() {
        depthwise_backward_input_at<V>(d, window, dy.data, grid(dy, V), w, dx.data, grid(dx, V), added.data, a, y);
      },
      dy.data, dx.data, added.data, y);
}

template <class T>
void depthwise_backward_weight(cuda_device& d, const conv_spec& s, feature_view<const T> x, feature_view<const T> dy,
                               float* dw) {
  const depthwise_window window(s, x.image());
  const auto of = [&]<int Kernel>() {
    with_width<T>(
        x.channels,
        [&]<int V>() {
          depthwise_backward_weight_at<Kernel, V>(d, window, x.data, grid(x, V), dy.data, grid(dy, V), dw);
        },
        x.data, dy.data);
  };
  switch (s.kernel) {
    case 1:
      return of.template operator()<1>();
    case 3:
      return of.template operator()<3>();
    case 5:
      return of.template operator()<5>();
    case 7:
      return of.template operator()<7>();
    default:
      fail<argument_error>("cuda: a depthwise convolution of kernel ", s.kernel, "; 1, 3, 5 and 7 are there");
  }
}

}  // namespace detail

}  // namespace advprop
