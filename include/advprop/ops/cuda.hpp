// Every operation of the CUDA device. What each does, and what it expects, is written in ops/cpu.hpp.
//
// This header needs no nvcc. The definitions, in ops/cuda/*.cuh, are compiled by whoever includes ops/cuda/all.cuh: the
// library advprop::cuda does it for float and bfloat16.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/core/target_view.hpp>
#include <advprop/device/cuda.hpp>
#include <advprop/ops/loss_result.hpp>
#include <advprop/ops/norm_parameters.hpp>

namespace advprop {

/// A feature map as an argument; its element type follows from the device.
template <class T>
using view_of = std::type_identity_t<feature_view<T>>;

/// A loss that the device is still computing. Converting it waits; it may be done once, before many more operations.
struct pending_loss {
  cuda_device* device;
  const float* sums;  // loss, correct, correct_top5, in the host's memory
  int batch;
  operator loss_result() const;  // NOLINT: what every other device's loss is
};

// Copies and loops over images. The host may be either side of a copy; its maps are NHWC, too.

void memory_copy(cuda_device& d, std::span<const float> from, std::span<float> to);
void memory_swap(cuda_device& d, std::span<float> a, std::span<float> b);
template <class T>
void memory_copy(basic_cuda<T>& d, view_of<const T> from, view_of<T> to);

namespace detail {
template <class F>
void transform_numbers(cuda_device& d, image_view x, const_image_view a, F f);
template <class F>
void transform_numbers(cuda_device& d, image_view x, const_image_view a, const_image_view b, F f);
template <class F>
void transform_numbers(cuda_device& d, image_view x, const_image_view a, const float* numbers, F f);
template <class F>
void transform_pixels(cuda_device& d, image_view x, const_image_view a, const_image_view numbers, F f);
template <class F>
void sum_pixels(cuda_device& d, const_image_view x, const_image_view numbers, image_view sums, F f);

/// Whether the library advprop::cuda holds the loops over this function compiled, as it does those of its own attacks.
template <class F>
concept in_cuda_library = requires {
  requires F::in_cuda_library;
};

/// Only the GPU's compiler can make a kernel of a function.
template <class F>
constexpr void check_compiled() {
#if !defined(__CUDACC__) && !defined(ADVPROP_CUDA_EMULATED)
  static_assert(in_cuda_library<F>,
                "transform: for a function of your own on a CUDA device, compile this file with nvcc, as a .cu file");
#endif
}
}  // namespace detail

/// x[i] = f(x[i], a[i]). f is ADVPROP_HD; one of the user's own needs a file that nvcc compiles.
template <class F>
void transform(cuda_device& d, image_view x, const_image_view a, F f) {
  detail::check_compiled<F>();
  detail::transform_numbers(d, x, a, f);
}
/// x[i] = f(x[i], a[i], b[i])
template <class F>
void transform(cuda_device& d, image_view x, const_image_view a, const_image_view b, F f) {
  detail::check_compiled<F>();
  detail::transform_numbers(d, x, a, b, f);
}
/// x[i] = f(x[i], a[i], numbers[the image of i])
template <class F>
void transform_images(cuda_device& d, image_view x, const_image_view a, const float* numbers, F f) {
  detail::check_compiled<F>();
  detail::transform_numbers(d, x, a, numbers, f);
}
/// x[i] = f(x[i], a[i], i's row, its column, its image's and channel's numbers)
template <class F>
void transform_pixels(cuda_device& d, image_view x, const_image_view a, const_image_view numbers, F f) {
  detail::check_compiled<F>();
  detail::transform_pixels(d, x, a, numbers, f);
}
/// Sums of a function of the same, without a.
template <class F>
void sum_pixels(cuda_device& d, const_image_view x, const_image_view numbers, image_view sums, F f) {
  detail::check_compiled<F>();
  detail::sum_pixels(d, x, numbers, sums, f);
}

// Convolutions without bias.

template <class T>
void conv_forward(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, view_of<T> y);
template <class T>
void conv_backward_input(basic_cuda<T>& d, const conv_spec& s, view_of<const T> dy, const float* w, view_of<T> dx,
                         view_of<const T> add = {});
template <class T>
void conv_backward_weight(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, view_of<const T> dy, float* dw);

// The fully connected layer.

template <class T>
void linear_forward(basic_cuda<T>& d, view_of<const T> x, const float* w, const float* b, view_of<T> y);
template <class T>
void linear_backward_input(basic_cuda<T>& d, view_of<const T> dy, const float* w, view_of<T> dx);
template <class T>
void linear_backward_weight(basic_cuda<T>& d, view_of<const T> x, view_of<const T> dy, float* dw, float* db);

// Batch norm, with the activation and the residual add that follow it (Ioffe & Szegedy, ICML 2015).

template <class T>
void norm_statistics(basic_cuda<T>& d, view_of<const T> x, float* mean, float* variance);
template <class T>
void norm_forward_batch(basic_cuda<T>& d, activation a, view_of<const T> x, float* mean, float* variance,
                        const norm_parameters& p, view_of<const T> add, view_of<T> y);
template <class T>
void norm_update_running(basic_cuda<T>& d, int channels, const float* mean, const float* variance, std::ptrdiff_t count,
                         float momentum, float* running_mean, float* running_variance);
template <class T>
void norm_forward(basic_cuda<T>& d, activation a, view_of<const T> x, const norm_parameters& p, view_of<const T> add,
                  view_of<T> y);
/// relu's and relu6's slopes are told from x, not y, where x is read besides, and dadd and add are null: dadd is to be
/// given where something was added.
template <class T>
void norm_backward(basic_cuda<T>& d, activation a, statistics source, view_of<const T> x, view_of<const T> y,
                   view_of<const T> dy, view_of<const T> add, const norm_parameters& p, view_of<T> dx, view_of<T> dadd,
                   float* dscale, float* dshift);

/// conv_forward, and norm_statistics of y: in one sweep where cuDNN has an engine for it that measures faster. That
/// sums squares, not distances to the mean: float may lose the variance of a channel whose mean is a thousand times its
/// deviation.
template <class T>
void conv_forward_statistics(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, view_of<T> y,
                             float* mean, float* variance);

// A convolution and the batch norm behind it where that has fixed numbers.

template <class T>
void conv_norm_forward(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, activation a,
                       const norm_parameters& p, view_of<const T> add, view_of<T> y);
/// The gradient dx goes through `below`, too, whose result is x, the convolution's input.
template <class T>
void conv_norm_backward_input(basic_cuda<T>& d, const conv_spec& s, activation a, view_of<const T> y,
                              view_of<const T> dy, const float* w, const norm_parameters& p, view_of<T> dx,
                              view_of<const T> add = {}, activation below = activation::identity,
                              view_of<const T> x = {});

// Activations that stand alone.

template <class T>
void activation_forward(basic_cuda<T>& d, activation a, view_of<const T> x, view_of<T> y);
template <class T>
void activation_backward(basic_cuda<T>& d, activation a, view_of<const T> x, view_of<const T> dy, view_of<T> dx);

// Pooling.

template <class T>
void max_pool_forward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<T> y);
template <class T>
void max_pool_backward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<const T> dy, view_of<T> dx);
template <class T>
void average_pool_forward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<T> y);
template <class T>
void average_pool_backward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> dy, view_of<T> dx);
template <class T>
void global_average_pool_forward(basic_cuda<T>& d, view_of<const T> x, view_of<T> y);
template <class T>
void global_average_pool_backward(basic_cuda<T>& d, view_of<const T> dy, view_of<T> dx);

// What works number by number: input stage, adds, gates, dropout, attacks' loops.

template <class T>
void normalize_forward(basic_cuda<T>& d, const_image_view images, const float* mean, const float* deviation,
                       view_of<T> y);
template <class T>
void normalize_backward(basic_cuda<T>& d, view_of<const T> dy, const float* deviation, image_view dimages);
template <class T>
void add(basic_cuda<T>& d, view_of<const T> a, view_of<T> y);
template <class T>
void bias_forward(basic_cuda<T>& d, const float* b, view_of<T> y);
template <class T>
void bias_backward(basic_cuda<T>& d, view_of<const T> dy, float* db);
template <class T>
void subsample_forward(basic_cuda<T>& d, int stride, int pad_before, view_of<const T> x, view_of<T> y);
template <class T>
void subsample_backward(basic_cuda<T>& d, int stride, int pad_before, view_of<const T> dy, view_of<T> dx);
template <class T>
void scale_forward(basic_cuda<T>& d, view_of<const T> x, view_of<const T> gate, view_of<T> y);
template <class T>
void scale_backward_gate(basic_cuda<T>& d, view_of<const T> x, view_of<const T> dy, view_of<T> dgate);
template <class T>
void scale_backward(basic_cuda<T>& d, view_of<const T> gate, view_of<const T> dy, view_of<const T> dmean,
                    view_of<T> dx);
template <class T>
void sigmoid_forward(basic_cuda<T>& d, view_of<const T> x, view_of<T> y);
template <class T>
void sigmoid_backward(basic_cuda<T>& d, view_of<const T> y, view_of<const T> dy, view_of<T> dx);
template <class T>
void dropout_forward(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> x, view_of<T> y);
template <class T>
void dropout_backward(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> dy, view_of<T> dx);
template <class T>
void drop_images(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> x, view_of<T> y);
void fill(cuda_device& d, float value, std::span<float> values);
double squared_norm(cuda_device& d, std::span<const float> values);
void image_norms(cuda_device& d, const_image_view x, float* norms);
void mean_magnitudes(cuda_device& d, const_image_view x, float* means);
void fill_uniform(cuda_device& d, random_stream r, float low, float high, image_view x);
void fill_normal(cuda_device& d, random_stream r, image_view x);

// Softmax cross entropy, and what else is read off logits, a 1x1 feature map. Labels are written where they lie, on the
// device without a wait.

template <class T>
pending_loss cross_entropy(basic_cuda<T>& d, view_of<const T> logits, const target_view& targets, float smoothing,
                           float weight, view_of<T> dlogits, float* losses = nullptr);
template <class T>
void softmax(basic_cuda<T>& d, view_of<const T> logits, view<float, 2> probabilities);
template <class T>
void predict(basic_cuda<T>& d, view_of<const T> logits, label_view best);
template <class T>
void predict_worst(basic_cuda<T>& d, view_of<const T> logits, label_view worst, const target_view& own = {});
void draw_wrong(cuda_device& d, random_stream r, int classes, const target_view& own, label_view wrong);

// What changes the learnt numbers, one sweep each: the optimizers' steps and the moving average. `cuda_update_guard`
// may hold them back.

void sgd_update(cuda_device& d, const sgd_spec& s, std::span<float> weights, std::span<const float> gradients,
                std::span<float> velocity);
void rmsprop_update(cuda_device& d, const rmsprop_spec& o, std::span<float> weights, std::span<const float> gradients,
                    std::span<float> mean_square, std::span<float> velocity);
void adamw_update(cuda_device& d, const adamw_spec& o, std::span<float> weights, std::span<const float> gradients,
                  std::span<float> mean, std::span<float> mean_square);
/// *factor, in the device's memory, becomes what brings numbers together to a length of at most clip_norm.
void clip_factor(cuda_device& d, std::span<const float> values, float clip_norm, float* factor);
void average_update(cuda_device& d, float rate, std::span<const float> values, std::span<float> average);

}  // namespace advprop

#ifdef __CUDACC__
#include <advprop/ops/cuda/transform.cuh>
#endif
