// Convolutions: cuDNN's for dense and grouped ones, kernels of our own for depthwise ones.
#pragma once

#include <algorithm>
#include <cstdint>

#include <advprop/ops/cuda/conv_depthwise.cuh>
#include <advprop/ops/cuda/memory.cuh>

namespace advprop {

namespace detail {

/// Weights out x in x area as the libraries want them: out x area x in (NHWC's counterpart), of type T. Made once for
/// every change of the numbers; `w` itself where nothing has to change.
template <class T>
const T* packed_weights(cuda_device& d, const float* w, int out, int in, int area) {
  if constexpr (std::is_same_v<T, float>)
    if (area == 1) return w;
  const auto count = std::ptrdiff_t{out} * in * area;
  auto& entry = d.state().packed[w];
  if (!entry.memory || entry.bytes != static_cast<std::size_t>(count) * sizeof(float)) {
    entry.memory = d.memory().allocate(static_cast<std::size_t>(count) * sizeof(T));
    entry.bytes = static_cast<std::size_t>(count) * sizeof(float);
    entry.fresh = false;
  }
  auto* to = static_cast<T*>(entry.memory.data());
  if (!entry.fresh) {
    each(d, count, [=] ADVPROP_HD(std::ptrdiff_t i) {
      const std::ptrdiff_t c = i % in, a = i / in % area, k = i / in / area;
      to[i] = T(w[(k * in + c) * area + a]);
    });
    entry.fresh = true;
  }
  return to;
}

/// The largest power of two, up to 16, that divides every address.
template <class... P>
int alignment_of(const P*... pointers) {
  const std::uintptr_t all = (reinterpret_cast<std::uintptr_t>(pointers) | ... | std::uintptr_t{16});
  return static_cast<int>(all & (~all + 1));
}

template <class T>
conv_problem problem_of(const basic_cuda<T>& d, conv_problem::direction pass, const conv_spec& s, shape in, shape out,
                        int batch, int alignment) {
  return {pass, s, batch, in.height, in.width, out.height, out.width, element_type_of<T>, d.products(), alignment};
}

inline bool depthwise(const conv_spec& s) { return s.groups > 1 && s.groups == s.in && s.in == s.out; }

}  // namespace detail

template <class T>
void conv_forward(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, view_of<T> y) {
  using namespace detail;
  if (depthwise(s)) return depthwise_forward(d, s, x, w, y);
  const T* weights = packed_weights<T>(d, w, s.out, s.in / s.groups, s.kernel * s.kernel);
  d.state().convolve(
      d, problem_of(d, conv_problem::forward, s, x.image(), y.image(), x.batch, alignment_of(x.data, weights, y.data)),
      x.data, weights, y.data);
}

template <class T>
void conv_backward_input(basic_cuda<T>& d, const conv_spec& s, view_of<const T> dy, const float* w, view_of<T> dx,
                         view_of<const T> added) {
  using namespace detail;
  if (depthwise(s)) return depthwise_backward_input(d, s, dy, w, dx, added);
  const T* weights = packed_weights<T>(d, w, s.out, s.in / s.groups, s.kernel * s.kernel);
  d.state().convolve(d,
                     problem_of(d, conv_problem::backward_input, s, dx.image(), dy.image(), dy.batch,
                                alignment_of(dx.data, weights, dy.data)),
                     dx.data, weights, dy.data);
  if (added.data) add(d, added, dx);
}

template <class T>
void conv_backward_weight(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, view_of<const T> dy, float* dw) {
  using namespace detail;
  if (depthwise(s)) return depthwise_backward_weight(d, s, x, dy, dw);
  const int in = s.in / s.groups, area = s.kernel * s.kernel;
  const auto count = std::ptrdiff_t{s.out} * in * area;
  const arena::block memory = d.memory().allocate(static_cast<std::size_t>(count) * sizeof(T));
  const auto* gradient = static_cast<const T*>(memory.data());
  d.state().convolve(d,
                     problem_of(d, conv_problem::backward_weight, s, x.image(), dy.image(), x.batch,
                                alignment_of(x.data, gradient, dy.data)),
                     x.data, gradient, dy.data);
  each(d, count, [=] ADVPROP_HD(std::ptrdiff_t i) {  // i counts dw, whose order is out x in x area
    const std::ptrdiff_t a = i % area, c = i / area % in, k = i / area / in;
    dw[i] += static_cast<float>(gradient[(k * area + a) * in + c]);
  });
}

}  // namespace advprop
