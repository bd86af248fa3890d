// Convolutions: cuDNN's for dense and grouped ones, kernels of our own for depthwise ones.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <advprop/ops/cuda/conv_depthwise.cuh>
#include <advprop/ops/cuda/memory.cuh>
#include <advprop/ops/cuda/norm.cuh>

namespace advprop {

namespace detail {

/// Numbers made of learnt ones by `make(memory)`, unless they are there and fresh.
template <class Make>
void* derived(cuda_device& d, std::size_t bytes, const std::array<cuda_state::derived_numbers::range, 5>& from,
              Make make) {
  std::array<const void*, 5> sources;
  for (std::size_t i = 0; i < sources.size(); ++i) sources[i] = from[i].first;
  auto& entry = d.state().packed[sources];
  if (!entry.memory || entry.bytes != bytes) {  // another model's, at the same address
    entry.memory = d.memory().allocate(bytes);
    entry.bytes = bytes;
    entry.fresh = false;
  }
  if (!entry.fresh) {
    ADVPROP_NAME(flat_item("packing weights", static_cast<double>(from[0].bytes), static_cast<double>(bytes)));
    entry.from = from;
    make(entry.memory.data());
    entry.fresh = true;
  }
  return entry.memory.data();
}

/// to = w, out x in x area as the libraries want it: out x area x in, NHWC's counterpart; times a factor an output.
template <class T>
void pack_weights(cuda_device& d, const float* w, int out, int in, int area, T* to, const norm_parameters& p = {}) {
  each(d, std::ptrdiff_t{out} * in * area, [=] ADVPROP_HD(std::ptrdiff_t i) {
    const std::ptrdiff_t c = i % in, a = i / in % area, k = i / in / area;
    const float factor = p.scale ? p.scale[k] / std::sqrt(p.variance[k] + p.epsilon) : 1.f;
    to[i] = T(w[(k * in + c) * area + a] * factor);
  });
}

/// to[tap][channel] = w[channel][tap] times a factor per channel: what depthwise kernels read.
inline void pack_depthwise(cuda_device& d, const float* w, int channels, int area, float* to,
                           const norm_parameters& p = {}) {
  each(d, std::ptrdiff_t{channels} * area, [=] ADVPROP_HD(std::ptrdiff_t i) {
    const std::ptrdiff_t c = i % channels, t = i / channels;
    to[i] = w[c * area + t] * (p.scale ? p.scale[c] / std::sqrt(p.variance[c] + p.epsilon) : 1.f);
  });
}
inline const float* depthwise_weights(cuda_device& d, const float* w, const conv_spec& s) {
  const int area = s.kernel * s.kernel;
  const auto bytes = static_cast<std::size_t>(s.out * area) * sizeof(float);
  return static_cast<const float*>(
      derived(d, bytes, {{{w, bytes}}}, [&](void* to) { pack_depthwise(d, w, s.out, area, static_cast<float*>(to)); }));
}

/// Weights for the libraries; `w` itself where nothing has to change.
template <class T>
const T* packed_weights(cuda_device& d, const float* w, int out, int in, int area) {
  if constexpr (std::is_same_v<T, float>)
    if (area == 1) return w;
  const auto count = static_cast<std::size_t>(out) * static_cast<std::size_t>(in * area);
  return static_cast<const T*>(derived(d, count * sizeof(T), {{{w, count * sizeof(float)}}},
                                       [&](void* to) { pack_weights(d, w, out, in, area, static_cast<T*>(to)); }));
}

/// A convolution with the batch norm behind it folded in, whose numbers are fixed.
template <class T>
struct folded_weights {
  const float* bias;  // shift - mean * factor
  const T* weights;   // w * factor
};
inline void fold_bias(cuda_device& d, const norm_parameters& p, int channels, float* bias) {
  each(d, channels, [=] ADVPROP_HD(std::ptrdiff_t k) {
    bias[k] = p.shift[k] - p.mean[k] * (p.scale[k] / std::sqrt(p.variance[k] + p.epsilon));
  });
}
/// pack(memory) packs the `count` weights of `out` channels.
template <class T, class Pack>
folded_weights<T> fold(cuda_device& d, const float* w, const norm_parameters& p, int out, std::size_t count,
                       Pack pack) {
  const auto channels = static_cast<std::size_t>(out) * sizeof(float), head = (channels + 63) / 64 * 64;
  auto* memory = static_cast<std::byte*>(derived(d, head + count * sizeof(T),
                                                 {{{w, count * sizeof(float)},
                                                   {p.mean, channels},
                                                   {p.variance, channels},
                                                   {p.scale, channels},
                                                   {p.shift, channels}}},
                                                 [&](void* to) {
                                                   fold_bias(d, p, out, static_cast<float*>(to));
                                                   pack(reinterpret_cast<T*>(static_cast<std::byte*>(to) + head));
                                                 }));
  return {reinterpret_cast<const float*>(memory), reinterpret_cast<const T*>(memory + head)};
}

template <class T>
folded_weights<T> fold_dense(cuda_device& d, const float* w, const norm_parameters& p, const conv_spec& s) {
  const int in = s.in / s.groups, area = s.kernel * s.kernel;
  return fold<T>(d, w, p, s.out, static_cast<std::size_t>(s.out) * static_cast<std::size_t>(in * area),
                 [&](T* to) { pack_weights(d, w, s.out, in, area, to, p); });
}
inline folded_weights<float> fold_depthwise(cuda_device& d, const float* w, const norm_parameters& p,
                                            const conv_spec& s) {
  const int area = s.kernel * s.kernel;
  return fold<float>(d, w, p, s.out, static_cast<std::size_t>(s.out * area),
                     [&](float* to) { pack_depthwise(d, w, s.out, area, to, p); });
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

/// dx = (the gradient of the input + added) * below'(x), from weights packed of w; in the same sweep where the library
/// can.
template <class T>
void backward_input_with(basic_cuda<T>& d, const conv_spec& s, view_of<const T> dy, const float* w, const T* weights,
                         view_of<T> dx, view_of<const T> added, activation below = activation::identity,
                         view_of<const T> x = {}) {
  conv_problem problem = problem_of(d, conv_problem::backward_input, s, dx.image(), dy.image(), dy.batch,
                                    alignment_of(dx.data, weights, dy.data, added.data, x.data));
  problem.add = added.data != nullptr;
  problem.mask = below;
  const auto together = [&] {
    ADVPROP_NOTE(conv_backward_input(d, s, dy, w, dx, added, x));
    d.state().convolve(d, problem, {dx.data, weights, dy.data, nullptr, added.data, nullptr, x.data});
  };
  if (!added.data && !x.data) return together();
  const auto apart = [&] {
    if (x.data) {
      backward_input_with(d, s, dy, w, weights, dx, added);
      return activation_backward(d, below, x, view_of<const T>(dx), dx);
    }
    backward_input_with(d, s, dy, w, weights, dx, {});
    add(d, added, dx);
  };
  d.state().prefers(problem, together, apart) ? together() : apart();
}

/// Not for cuDNN. Its name is none that a layer has: files of users see both.
inline bool for_depthwise_kernels(const conv_spec& s) { return s.groups > 1 && s.groups == s.in && s.in == s.out; }

}  // namespace detail

/// For a dry run's notes.
template <class T>
const char* conv_engine_name(const basic_cuda<T>&, const conv_spec& s, int, int) {
  return detail::for_depthwise_kernels(s) ? "depthwise" : "cuDNN";
}

template <class T>
void conv_forward(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, view_of<T> y) {
  ADVPROP_NOTE(conv_forward(d, s, x, w, y));
  using namespace detail;
  if (for_depthwise_kernels(s)) return depthwise_forward(d, s, x, depthwise_weights(d, w, s), y);
  const T* weights = packed_weights<T>(d, w, s.out, s.in / s.groups, s.kernel * s.kernel);
  d.state().convolve(
      d, problem_of(d, conv_problem::forward, s, x.image(), y.image(), x.batch, alignment_of(x.data, weights, y.data)),
      {x.data, weights, y.data});
}

template <class T>
void conv_forward_statistics(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, view_of<T> y,
                             float* mean, float* variance) {
  using namespace detail;
  const auto apart = [&] {
    conv_forward(d, s, x, w, y);
    norm_statistics(d, view_of<const T>(y), mean, variance);
  };
  // cuDNN adds the sums up by atomics, in any order, and does not note its engines as not deterministic.
  if (for_depthwise_kernels(s) || s.out % 4 != 0 || d.engines() == engine_choice::fixed) return apart();
  const T* weights = packed_weights<T>(d, w, s.out, s.in / s.groups, s.kernel * s.kernel);
  conv_problem problem =
      problem_of(d, conv_problem::forward, s, x.image(), y.image(), x.batch, alignment_of(x.data, weights, y.data));
  problem.statistics = true;
  const auto together = [&] {
    ADVPROP_NOTE(conv_forward_statistics(d, s, x, w, y, mean, variance));
    const arena::block sums = d.memory().allocate(2 * sizeof(float) * static_cast<std::size_t>(s.out));
    d.state().convolve(d, problem, {x.data, weights, y.data, nullptr, nullptr, static_cast<float*>(sums.data())});
    norm_moments(d, s.out, pixels(y), static_cast<const float*>(sums.data()), mean, variance);
  };
  d.state().prefers(problem, together, apart) ? together() : apart();
}

template <class T>
void conv_backward_input(basic_cuda<T>& d, const conv_spec& s, view_of<const T> dy, const float* w, view_of<T> dx,
                         view_of<const T> added) {
  using namespace detail;
  if (for_depthwise_kernels(s)) {
    ADVPROP_NOTE(conv_backward_input(d, s, dy, w, dx, added));
    return depthwise_backward_input(d, s, dy, depthwise_weights(d, w, s), dx, {nullptr, added.data});
  }
  const T* weights = packed_weights<T>(d, w, s.out, s.in / s.groups, s.kernel * s.kernel);
  backward_input_with(d, s, dy, w, weights, dx, added);
}

template <class T>
void conv_backward_weight(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, view_of<const T> dy, float* dw) {
  ADVPROP_NOTE(conv_backward_weight(d, s, x, dy, dw));
  using namespace detail;
  if (for_depthwise_kernels(s)) return depthwise_backward_weight(d, s, x, dy, dw);
  const int in = s.in / s.groups, area = s.kernel * s.kernel;
  const auto count = std::ptrdiff_t{s.out} * in * area;
  const arena::block memory = d.memory().allocate(static_cast<std::size_t>(count) * sizeof(T));
  const auto* gradient = static_cast<const T*>(memory.data());
  d.state().convolve(d,
                     problem_of(d, conv_problem::backward_weight, s, x.image(), dy.image(), x.batch,
                                alignment_of(x.data, gradient, dy.data)),
                     {x.data, gradient, dy.data});
  each(d, count, [=] ADVPROP_HD(std::ptrdiff_t i) {  // i counts dw, whose order is out x in x area
    const std::ptrdiff_t a = i % area, c = i / area % in, k = i / area / in;
    dw[i] += static_cast<float>(gradient[(k * area + a) * in + c]);
  });
}

template <class T>
void conv_norm_forward(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, activation a,
                       const norm_parameters& p, view_of<const T> added, view_of<T> y) {
  using namespace detail;
  if (for_depthwise_kernels(s)) {
    ADVPROP_NOTE(conv_norm_forward(d, s, x, w, a, p, added, y));
    const auto f = fold_depthwise(d, w, p, s);
    return depthwise_forward<T>(d, s, x, f.weights, y, {f.bias, added.data, a});
  }
  const auto f = fold_dense<T>(d, w, p, s);
  conv_problem problem = problem_of(d, conv_problem::forward, s, x.image(), y.image(), x.batch,
                                    alignment_of(x.data, f.weights, y.data, added.data));
  problem.bias = true;
  problem.add = added.data != nullptr;
  problem.after = a;
  const auto together = [&] {
    ADVPROP_NOTE(conv_norm_forward(d, s, x, w, a, p, added, y));
    d.state().convolve(d, problem, {x.data, f.weights, y.data, f.bias, added.data});
  };
  const auto apart = [&] {
    conv_forward(d, s, x, w, y);
    norm_forward(d, a, view_of<const T>(y), p, added, y);
  };
  d.state().prefers(problem, together, apart) ? together() : apart();
}

template <class T>
void conv_norm_backward_input(basic_cuda<T>& d, const conv_spec& s, activation a, view_of<const T> y,
                              view_of<const T> dy, const float* w, const norm_parameters& p, view_of<T> dx,
                              view_of<const T> added, activation below, view_of<const T> x) {
  using namespace detail;
  if (for_depthwise_kernels(s)) {
    ADVPROP_NOTE(conv_norm_backward_input(d, s, a, y, dy, w, p, dx, added, x));
    const auto f = fold_depthwise(d, w, p, s);
    return depthwise_backward_input<T>(d, s, dy, f.weights, dx,
                                       {nullptr, added.data, activation::identity, below, x.data}, a, y.data);
  }
  const auto f = fold_dense<T>(d, w, p, s);
  arena::block memory;
  if (a != activation::identity) {
    const auto count = static_cast<std::size_t>(dy.batch * dy.image().size());
    memory = d.memory().allocate(count * sizeof(T));
    const view_of<T> g{static_cast<T*>(memory.data()), dy.batch, dy.channels, dy.height, dy.width};
    activation_backward(d, a, y, dy, g);
    dy = g;
  }
  backward_input_with(d, s, dy, w, f.weights, dx, added, below, x);
}

}  // namespace advprop
