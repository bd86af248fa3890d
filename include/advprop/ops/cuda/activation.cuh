// Activations, alone and inside other kernels.
#pragma once

#include <cmath>

#include <advprop/ops/cuda.hpp>
#include <advprop/ops/cuda/loops.cuh>
#include <advprop/ops/cuda/vector.cuh>

namespace advprop {

namespace detail {

/// On a GPU within 4e-7: with an exact division a sweep would take longer than its memory does.
ADVPROP_HD inline float logistic(float v) {
#ifdef __CUDA_ARCH__
  return __fdividef(1, 1 + __expf(-v));
#else
  return 1 / (1 + std::exp(-v));
#endif
}

/// a(v)
ADVPROP_HD inline float activate(activation a, float v) {
  switch (a) {
    case activation::relu:
      return v > 0 ? v : v != v ? v : 0;  // NaN stays
    case activation::relu6:
      return v < 0 ? 0 : v > 6 ? 6 : v;
    case activation::silu:
      return v * logistic(v);
    default:
      return v;
  }
}

/// a'(v), v being the input; for relu and relu6 it may as well be the output.
ADVPROP_HD inline float slope(activation a, float v) {
  switch (a) {
    case activation::relu:
      return v > 0 ? 1 : 0;
    case activation::relu6:
      return v > 0 && v < 6 ? 1 : 0;
    case activation::silu: {
      const float s = logistic(v);
      return s * (1 + v * (1 - s));
    }
    default:
      return 1;
  }
}

// nvcc allows no device lambda inside a generic one: what depends on the vector width is a function of its own, here
// and in the other files.

template <int V, class T, class F>
void map_elements_at(cuda_device& d, std::ptrdiff_t count, const T* a, const T* b, T* y, F f) {
  each(d, count / V, [=] ADVPROP_HD(std::ptrdiff_t i) {
    floats<V> v = load<V>(a, i);
    const floats<V> w = load<V>(b, i);
    for (int k = 0; k < V; ++k) v[k] = f(v[k], w[k]);
    store<V>(y, i, v);
  });
}
/// y[i] = f(a[i], b[i]) over whole maps of equal shape.
template <class T, class F>
void map_elements(cuda_device& d, feature_view<const T> a, feature_view<const T> b, feature_view<T> y, F f) {
  const std::ptrdiff_t count = a.batch * a.image().size();
  with_width<T>(
      count, [&]<int V>() { map_elements_at<V>(d, count, a.data, b.data, y.data, f); }, a.data, b.data, y.data);
}
/// y[i] = f(x[i])
template <class T, class F>
void map_elements(cuda_device& d, feature_view<const T> x, feature_view<T> y, F f) {
  map_elements<T>(d, x, x, y, [=] ADVPROP_HD(float v, float) { return f(v); });
}

}  // namespace detail

template <class T>
void activation_forward(basic_cuda<T>& d, activation a, view_of<const T> x, view_of<T> y) {
  ADVPROP_NOTE(activation_forward(d, a, x, y));
  detail::map_elements<T>(d, x, y, [=] ADVPROP_HD(float v) { return detail::activate(a, v); });
}

template <class T>
void activation_backward(basic_cuda<T>& d, activation a, view_of<const T> x, view_of<const T> dy, view_of<T> dx) {
  ADVPROP_NOTE(activation_backward(d, a, x, dy, dx));
  detail::map_elements<T>(d, x, dy, dx, [=] ADVPROP_HD(float v, float g) { return g * detail::slope(a, v); });
}

template <class T>
void sigmoid_forward(basic_cuda<T>& d, view_of<const T> x, view_of<T> y) {
  ADVPROP_NOTE(sigmoid_forward(d, x, y));
  detail::map_elements<T>(d, x, y, [=] ADVPROP_HD(float v) { return detail::logistic(v); });
}

template <class T>
void sigmoid_backward(basic_cuda<T>& d, view_of<const T> y, view_of<const T> dy, view_of<T> dx) {
  ADVPROP_NOTE(sigmoid_backward(d, y, dy, dx));
  detail::map_elements<T>(d, y, dy, dx, [=] ADVPROP_HD(float v, float g) { return g * v * (1 - v); });
}

}  // namespace advprop
