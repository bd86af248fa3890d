// Depthwise convolutions: they are bound by memory, so a thread computes a vector of channels of a few pixels.
#pragma once

#include <algorithm>

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

/// What is done with a result before it is stored: y = after(v + bias + add), or (v + add) * below'(x).
template <class T>
struct depthwise_end {
  const float* bias = nullptr;  // null: none
  const T* add = nullptr;       // null: none
  activation after = activation::identity, below = activation::identity;
  const T* x = nullptr;  // results of `below`

  template <int V>
  ADVPROP_HD void operator()(T* y, std::ptrdiff_t i, int column, floats<V> v) const {
    if (bias)
      for (int k = 0; k < V; ++k) v[k] += bias[column * V + k];
    if (add) {
      const floats<V> s = load<V>(add, i);
      for (int k = 0; k < V; ++k) v[k] += s[k];
    }
    for (int k = 0; k < V; ++k) v[k] = activate(after, v[k]);
    if (below != activation::identity) {
      const floats<V> s = load<V>(x, i);
      for (int k = 0; k < V; ++k) v[k] *= slope(below, s[k]);
    }
    store<V>(y, i, v);
  }
};

/// A gradient, through the activation `a` where that is not the identity and y are its results.
template <class T>
struct depthwise_gradient {
  const T *dy, *y;
  activation a;

  template <int V>
  struct packet {
    packed_elements<T, V> dy, y;
  };
  template <int V>
  ADVPROP_HD packet<V> fetch(std::ptrdiff_t i) const {
    packet<V> p;
    p.dy = detail::fetch<V>(dy, i);
    if (a != activation::identity) p.y = detail::fetch<V>(y, i);
    return p;
  }
  template <int V>
  ADVPROP_HD floats<V> value(const packet<V>& p) const {
    floats<V> g = widened(p.dy);
    if (a == activation::identity) return g;
    const floats<V> v = widened(p.y);
    for (int k = 0; k < V; ++k) g[k] *= slope(a, v[k]);
    return g;
  }
};
template <class T>
struct depthwise_input {
  const T* x;

  template <int V>
  using packet = packed_elements<T, V>;
  template <int V>
  ADVPROP_HD packet<V> fetch(std::ptrdiff_t i) const {
    return detail::fetch<V>(x, i);
  }
  template <int V>
  ADVPROP_HD floats<V> value(const packet<V>& p) const {
    return widened(p);
  }
};

/// Sums over windows of Kernel x Kernel that begin at (h * Stride - top, w * Stride - left), four neighbours of a row a
/// thread: they share the weights and most of what they read, which would otherwise be asked of the cache Kernel times
/// as often. Flipped: the last weight first. The order of a sum's additions is that of the windows. All of a row is
/// asked for before any of it is used, so that the memory's latency is waited for once: what is outside reads the first
/// pixel, and counts for nothing.
template <int Kernel, int Stride, bool Flipped, int V, class From, class End, class T>
void depthwise_rows(cuda_device& d, int top, int left, From from, grid in, const float* w, T* to, grid out, End end) {
  constexpr int results = 4, reads = (results - 1) * Stride + Kernel;
  grid rows = out;
  rows.width = (out.width + results - 1) / results;
  each<128>(d, rows.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = rows.at(i);
    const int first = p.w * results;
    floats<V> sums[results] = {};
    for (int r = 0; r < Kernel; ++r) {
      const int h = p.h * Stride - top + r;
      if (h < 0 || h >= in.height) continue;
      floats<V> f[Kernel];
      ADVPROP_CUDA_UNROLL
      for (int q = 0; q < Kernel; ++q) {
        const int tap = r * Kernel + q;
        f[q] = load<V>(w, std::ptrdiff_t{Flipped ? Kernel * Kernel - 1 - tap : tap} * in.columns + p.column);
      }
      typename From::template packet<V> row[reads];
      const auto inside = [&](int c) {
        const int at = first * Stride - left + c;
        return at >= 0 && at < in.width;
      };
      ADVPROP_CUDA_UNROLL
      for (int c = 0; c < reads; ++c)
        row[c] = from.template fetch<V>(in.index(p.n, h, inside(c) ? first * Stride - left + c : 0, p.column));
      ADVPROP_CUDA_UNROLL
      for (int c = 0; c < reads; ++c) {
        if (!inside(c)) continue;
        const floats<V> v = from.template value<V>(row[c]);
        ADVPROP_CUDA_UNROLL
        for (int j = 0; j < results; ++j) {
          const int q = c - j * Stride;
          if (q < 0 || q >= Kernel) continue;
          for (int k = 0; k < V; ++k) sums[j][k] += v[k] * f[q][k];
        }
      }
    }
    ADVPROP_CUDA_UNROLL
    for (int j = 0; j < results; ++j)
      if (first + j < out.width) end(to, out.index(p.n, p.h, first + j, p.column), p.column, sums[j]);
  });
}

/// f.operator()<Kernel, Stride>() for the windows of MobileNets and EfficientNets; false for others.
template <class F>
bool with_window(int kernel, int stride, F&& f) {
  if (kernel == 3 && stride == 1)
    f.template operator()<3, 1>();
  else if (kernel == 3 && stride == 2)
    f.template operator()<3, 2>();
  else if (kernel == 5 && stride == 1)
    f.template operator()<5, 1>();
  else if (kernel == 5 && stride == 2)
    f.template operator()<5, 2>();
  else
    return false;
  return true;
}

template <int V, class T>
void depthwise_forward_at(cuda_device& d, depthwise_window s, const T* x, grid in, const float* w, T* y, grid out,
                          const depthwise_end<T>& end) {
  if constexpr (V > 1)
    if (with_window(s.kernel, s.stride, [&]<int Kernel, int Stride>() {
          depthwise_rows<Kernel, Stride, false, V>(d, s.top, s.left, depthwise_input<T>{x}, in, w, y, out, end);
        }))
      return;
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
    end(y, i, p.column, sum);
  });
}

template <int V, class T>
void depthwise_backward_input_at(cuda_device& d, depthwise_window s, const depthwise_gradient<T>& dy, grid out,
                                 const float* w, T* dx, grid in, const depthwise_end<T>& end) {
  if constexpr (V > 1)
    if (s.stride == 1 && with_window(s.kernel, 1, [&]<int Kernel, int>() {
          depthwise_rows<Kernel, 1, true, V>(d, Kernel - 1 - s.top, Kernel - 1 - s.left, dy, out, w, dx, in, end);
        }))
      return;
  each(d, in.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = in.at(i);
    floats<V> sum{};
    const windows rows(s.kernel, s.stride, s.top, p.h, out.height);
    const windows columns(s.kernel, s.stride, s.left, p.w, out.width);
    for (int oh = rows.first; oh <= rows.last; ++oh)
      for (int ow = columns.first; ow <= columns.last; ++ow) {
        const int r = p.h + s.top - oh * s.stride, q = p.w + s.left - ow * s.stride;
        const floats<V> g = dy.template value<V>(dy.template fetch<V>(out.index(p.n, oh, ow, p.column)));
        const floats<V> f = load<V>(w, std::ptrdiff_t{r * s.kernel + q} * in.columns + p.column);
        for (int k = 0; k < V; ++k) sum[k] += g[k] * f[k];
      }
    end(dx, i, p.column, sum);
  });
}

/// Rows [first, first + Rows) of the taps: Rows * Kernel * V sums per thread.
template <int Kernel, int Rows, int V, class T>
void depthwise_backward_weight_rows(cuda_device& d, depthwise_window s, int first, const T* x, grid in, const T* dy,
                                    grid out, float* dw) {
  const auto term = [=] ADVPROP_HD(nothing_to_prepare, int, std::ptrdiff_t row, int column, float* sums) {
    const place p = out.at(row * out.columns + column);
    const floats<V> g = load<V>(dy, row * out.columns + column);
    ADVPROP_CUDA_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const int h = p.h * s.stride - s.top + first + r;
      if (h < 0 || h >= in.height) continue;
      packed_elements<T, V> taps[Kernel];  // all on their way before one is used
      const auto inside = [&](int q) {
        const int c = p.w * s.stride - s.left + q;
        return c >= 0 && c < in.width;
      };
      ADVPROP_CUDA_UNROLL
      for (int q = 0; q < Kernel; ++q)
        taps[q] = fetch<V>(x, in.index(p.n, h, inside(q) ? p.w * s.stride - s.left + q : 0, column));
      ADVPROP_CUDA_UNROLL
      for (int q = 0; q < Kernel; ++q) {
        if (!inside(q)) continue;
        const floats<V> v = widened(taps[q]);
        for (int k = 0; k < V; ++k) sums[(r * Kernel + q) * V + k] += g[k] * v[k];
      }
    }
  };
  column_sums<Rows * Kernel * V>(d, 1, out.size() / out.columns, out.columns, nothing_to_prepare(), term,
                                 [=] ADVPROP_HD(int, int column, const float* sums) {
                                   for (int k = 0; k < V; ++k)
                                     for (int tap = 0; tap < Rows * Kernel; ++tap)
                                       dw[((column * V + k) * Kernel + first) * Kernel + tap] += sums[tap * V + k];
                                 });
}

/// Both maps are read once for as many rows of taps as registers have room for: 80 sums.
template <int Kernel, int V, class T>
void depthwise_backward_weight_at(cuda_device& d, depthwise_window s, const T* x, grid in, const T* dy, grid out,
                                  float* dw) {
  constexpr int rows = std::clamp(80 / (Kernel * V), 1, Kernel), rest = Kernel % rows;
  for (int first = 0; first + rows <= Kernel; first += rows)
    depthwise_backward_weight_rows<Kernel, rows, V>(d, s, first, x, in, dy, out, dw);
  if constexpr (rest > 0) depthwise_backward_weight_rows<Kernel, rest, V>(d, s, Kernel - rest, x, in, dy, out, dw);
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
                              feature_view<T> dx, const depthwise_end<T>& end, activation a = activation::identity,
                              const T* y = nullptr) {
  const depthwise_window window(s, dx.image());
  with_width<T>(
      dx.channels,
      [&]<int V>() {
        depthwise_backward_input_at<V>(d, window, depthwise_gradient<T>{dy.data, y, a}, grid(dy, V), w, dx.data,
                                       grid(dx, V), end);
      },
      dy.data, dx.data, end.add, end.x, y);
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
