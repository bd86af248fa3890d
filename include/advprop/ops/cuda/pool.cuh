// Max, average and global average pooling.
#pragma once

#include <climits>

#include <advprop/ops/cuda/activation.cuh>

namespace advprop {

namespace detail {

/// Where element i of a map's channel groups lies.
struct place {
  int n, h, w, column;
  ADVPROP_HD place(std::ptrdiff_t i, int height, int width, int columns) {
    if (i <= INT_MAX)  // a GPU divides such numbers in a third of the time
      divide(static_cast<unsigned>(i), height, width, columns);
    else
      divide(i, height, width, columns);
  }

 private:
  template <class I>
  ADVPROP_HD void divide(I i, int height, int width, int columns) {
    const auto digit = [&i](int extent) {
      const I rest = i / static_cast<I>(extent);
      const auto remainder = static_cast<int>(i - rest * static_cast<I>(extent));
      i = rest;
      return remainder;
    };
    column = digit(columns);
    w = digit(width);
    h = digit(height);
    n = static_cast<int>(i);
  }
};

/// A map's extents in groups of V channels.
struct grid {
  int batch, height, width, columns;
  template <class T>
  grid(const feature_view<T>& x, int width_of_vector)
      : batch(x.batch), height(x.height), width(x.width), columns(x.channels / width_of_vector) {}
  std::ptrdiff_t size() const { return std::ptrdiff_t{batch} * height * width * columns; }
  ADVPROP_HD place at(std::ptrdiff_t i) const { return {i, height, width, columns}; }
  ADVPROP_HD std::ptrdiff_t index(int n, int h, int w, int column) const {
    return ((std::ptrdiff_t{n} * height + h) * width + w) * columns + column;
  }
  ADVPROP_HD bool inside(int h, int w) const { return h >= 0 && h < height && w >= 0 && w < width; }
};

/// The windows over one direction that hold pixel i: outputs [first, last].
struct windows {
  int first, last;
  ADVPROP_HD windows(int kernel, int stride, int before, int i, int outputs) {
    const int low = i + before - kernel + 1;
    first = low <= 0 ? 0 : (low + stride - 1) / stride;
    last = (i + before) / stride;
    if (last > outputs - 1) last = outputs - 1;
  }
};

/// Whether b stays the maximum when a comes: a NaN is more than any number, as in PyTorch.
ADVPROP_HD inline bool above(float a, float b) { return a > b || (a != a && b == b); }

template <int V, class T>
void max_pool_forward_at(cuda_device& d, const pool_spec& s, const T* x, grid in, T* y, grid out) {
  each(d, out.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = out.at(i);
    floats<V> best;
    for (int k = 0; k < V; ++k) best[k] = -INFINITY;
    for (int r = 0; r < s.kernel; ++r)
      for (int q = 0; q < s.kernel; ++q) {
        const int h = p.h * s.stride - s.padding + r, w = p.w * s.stride - s.padding + q;
        if (!in.inside(h, w)) continue;
        const floats<V> v = load<V>(x, in.index(p.n, h, w, p.column));
        for (int k = 0; k < V; ++k) best[k] = above(v[k], best[k]) ? v[k] : best[k];
      }
    store<V>(y, i, best);
  });
}

/// Each input pixel looks whether it is the first maximum of the windows that hold it: no two threads write to one
/// place, and the order of the additions is fixed. Kernel 0: that of `s`; others are ResNet's, whose loops unroll.
template <int Kernel, int V, class T>
void max_pool_backward_at(cuda_device& d, const pool_spec& s, const T* x, grid in, const T* dy, grid out, T* dx) {
  each(d, in.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const int kernel = Kernel > 0 ? Kernel : s.kernel;
    const place p = in.at(i);
    const floats<V> own = load<V>(x, i);
    floats<V> sum{};
    const windows rows(kernel, s.stride, s.padding, p.h, out.height);
    const windows columns(kernel, s.stride, s.padding, p.w, out.width);
    for (int oh = rows.first; oh <= rows.last; ++oh)
      for (int ow = columns.first; ow <= columns.last; ++ow) {
        floats<V> g = load<V>(dy, out.index(p.n, oh, ow, p.column));
        ADVPROP_CUDA_UNROLL
        for (int r = 0; r < kernel; ++r) ADVPROP_CUDA_UNROLL
        for (int q = 0; q < kernel; ++q) {
          const int h = oh * s.stride - s.padding + r, w = ow * s.stride - s.padding + q;
          if (!in.inside(h, w) || (h == p.h && w == p.w)) continue;
          const bool earlier = h < p.h || (h == p.h && w < p.w);
          const floats<V> other = load<V>(x, in.index(p.n, h, w, p.column));
          for (int k = 0; k < V; ++k)
            if (earlier ? !above(own[k], other[k]) : above(other[k], own[k])) g[k] = 0;
        }
        for (int k = 0; k < V; ++k) sum[k] += g[k];
      }
    store<V>(dx, i, sum);
  });
}

template <int V, class T>
void average_pool_forward_at(cuda_device& d, const pool_spec& s, const T* x, grid in, T* y, grid out) {
  const float share = 1 / static_cast<float>(s.kernel * s.kernel);
  each(d, out.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = out.at(i);
    floats<V> sum{};
    for (int r = 0; r < s.kernel; ++r)
      for (int q = 0; q < s.kernel; ++q) {
        const int h = p.h * s.stride - s.padding + r, w = p.w * s.stride - s.padding + q;
        if (!in.inside(h, w)) continue;
        const floats<V> v = load<V>(x, in.index(p.n, h, w, p.column));
        for (int k = 0; k < V; ++k) sum[k] += v[k];
      }
    for (int k = 0; k < V; ++k) sum[k] *= share;
    store<V>(y, i, sum);
  });
}

template <int V, class T>
void average_pool_backward_at(cuda_device& d, const pool_spec& s, const T* dy, grid out, T* dx, grid in) {
  const float share = 1 / static_cast<float>(s.kernel * s.kernel);
  each(d, in.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = in.at(i);
    floats<V> sum{};
    const windows rows(s.kernel, s.stride, s.padding, p.h, out.height);
    const windows columns(s.kernel, s.stride, s.padding, p.w, out.width);
    for (int oh = rows.first; oh <= rows.last; ++oh)
      for (int ow = columns.first; ow <= columns.last; ++ow) {
        const floats<V> g = load<V>(dy, out.index(p.n, oh, ow, p.column));
        for (int k = 0; k < V; ++k) sum[k] += g[k];
      }
    for (int k = 0; k < V; ++k) sum[k] *= share;
    store<V>(dx, i, sum);
  });
}

/// y[image] = factor * the sum of term(i) over the image's pixels, i being an index of V channels.
template <int V, class T, class F>
void pixel_sums_at(cuda_device& d, grid in, float factor, T* y, F term) {
  const std::ptrdiff_t area = std::ptrdiff_t{in.height} * in.width;
  const int columns = in.columns;
  const auto add = [=] ADVPROP_HD(nothing_to_prepare, int n, std::ptrdiff_t row, int column, float* sums) {
    const floats<V> v = term((n * area + row) * columns + column);
    for (int k = 0; k < V; ++k) sums[k] += v[k];
  };
  column_sums<V>(d, in.batch, area, columns, nothing_to_prepare(), add,
                 [=] ADVPROP_HD(int n, int column, const float* sums) {
                   floats<V> v;
                   for (int k = 0; k < V; ++k) v[k] = sums[k] * factor;
                   store<V>(y, std::ptrdiff_t{n} * columns + column, v);
                 });
}

template <int V, class T>
void global_average_pool_forward_at(cuda_device& d, const T* x, grid in, T* y) {
  const float share = 1 / (static_cast<float>(in.height) * static_cast<float>(in.width));
  pixel_sums_at<V>(d, in, share, y, [=] ADVPROP_HD(std::ptrdiff_t i) { return load<V>(x, i); });
}

template <int V, class T>
void global_average_pool_backward_at(cuda_device& d, const T* dy, T* dx, grid in) {
  const float share = 1 / (static_cast<float>(in.height) * static_cast<float>(in.width));
  each(d, in.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = in.at(i);
    floats<V> g = load<V>(dy, std::ptrdiff_t{p.n} * in.columns + p.column);
    for (int k = 0; k < V; ++k) g[k] *= share;
    store<V>(dx, i, g);
  });
}

}  // namespace detail

template <class T>
void max_pool_forward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<T> y) {
  ADVPROP_NOTE(max_pool_forward(d, s, x, y));
  using namespace detail;
  with_width<T>(
      x.channels, [&]<int V>() { max_pool_forward_at<V>(d, s, x.data, grid(x, V), y.data, grid(y, V)); }, x.data,
      y.data);
}

template <class T>
void max_pool_backward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<const T> dy, view_of<T> dx) {
  ADVPROP_NOTE(max_pool_backward(d, s, x, dy, dx));
  using namespace detail;
  with_width<T>(
      x.channels,
      [&]<int V>() {
        const auto backward = s.kernel == 3 ? max_pool_backward_at<3, V, T> : max_pool_backward_at<0, V, T>;
        backward(d, s, x.data, grid(x, V), dy.data, grid(dy, V), dx.data);
      },
      x.data, dy.data, dx.data);
}

template <class T>
void average_pool_forward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<T> y) {
  ADVPROP_NOTE(average_pool_forward(d, s, x, y));
  using namespace detail;
  with_width<T>(
      x.channels, [&]<int V>() { average_pool_forward_at<V>(d, s, x.data, grid(x, V), y.data, grid(y, V)); }, x.data,
      y.data);
}

template <class T>
void average_pool_backward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> dy, view_of<T> dx) {
  ADVPROP_NOTE(average_pool_backward(d, s, dy, dx));
  using namespace detail;
  with_width<T>(
      dx.channels, [&]<int V>() { average_pool_backward_at<V>(d, s, dy.data, grid(dy, V), dx.data, grid(dx, V)); },
      dy.data, dx.data);
}

template <class T>
void global_average_pool_forward(basic_cuda<T>& d, view_of<const T> x, view_of<T> y) {
  ADVPROP_NOTE(global_average_pool_forward(d, x, y));
  using namespace detail;
  with_width<T>(
      x.channels, [&]<int V>() { global_average_pool_forward_at<V>(d, x.data, grid(x, V), y.data); }, x.data, y.data);
}

template <class T>
void global_average_pool_backward(basic_cuda<T>& d, view_of<const T> dy, view_of<T> dx) {
  ADVPROP_NOTE(global_average_pool_backward(d, dy, dx));
  using namespace detail;
  with_width<T>(
      dx.channels, [&]<int V>() { global_average_pool_backward_at<V>(d, dy.data, dx.data, grid(dx, V)); }, dy.data,
      dx.data);
}

}  // namespace advprop
