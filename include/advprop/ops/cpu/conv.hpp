// Convolution on the CPU: the three passes, each by the engine that suits its shape.
#pragma once

#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu/conv_depthwise.hpp>
#include <advprop/ops/cpu/conv_direct.hpp>
#include <advprop/ops/cpu/conv_gemm.hpp>
#include <advprop/ops/cpu/conv_winograd.hpp>
#include <advprop/ops/cpu/linear.hpp>
#include <advprop/ops/spec.hpp>

namespace advprop {

enum class conv_engine { gemm, direct, winograd_2, winograd_4, depthwise, linear };

namespace detail {
/// Winograd where its tiles waste little: its multiplications an output against the direct kernels' nine, and enough
/// channels to pay for the transforms.
constexpr conv_engine select_winograd(const conv_spec& s, int height, int width, convolution_policy policy) {
  if (!is_winograd(s) || s.in < winograd_least_channels || s.out < winograd_least_channels) return conv_engine::direct;
  const int rows = s.output(height), columns = s.output(width);
  const auto cost = [&](int tile) {
    const int tiles = ((rows + tile - 1) / tile) * ((columns + tile - 1) / tile);
    return double(tiles) * (tile + 2) * (tile + 2) / (double(rows) * columns);
  };
  const double four = cost(4), two = cost(2);
  if (policy == convolution_policy::fastest && four <= 6 && four <= two) return conv_engine::winograd_4;
  return two <= 6 ? conv_engine::winograd_2 : conv_engine::direct;
}
}  // namespace detail

/// The engine for a convolution of inputs of this height and width. Must not depend on the number of threads.
constexpr conv_engine select_conv_engine(const conv_spec& s, int height, int width,
                                         convolution_policy policy = convolution_policy::fastest) {
  if (policy == convolution_policy::gemm) return conv_engine::gemm;
  if (s.groups > 1 && is_depthwise(s)) return conv_engine::depthwise;
  // A pixel an image: the squeeze-and-excite layers.
  if (s.groups == 1 && s.kernel == 1 && s.padding <= 0 && height == 1 && width == 1) return conv_engine::linear;
  if (s.groups > 1 || s.kernel > detail::direct_kernel_limit || s.stride > detail::direct_stride_limit)
    return conv_engine::gemm;
  return policy == convolution_policy::direct ? conv_engine::direct : detail::select_winograd(s, height, width, policy);
}

/// y = x * w; w is out x in/groups x kernel x kernel; y has `s.output` of x's height and width.
inline void conv_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                         feature_view<float> y) {
  switch (select_conv_engine(s, x.height, x.width, d.convolutions())) {
    case conv_engine::gemm:
      return conv_gemm_forward(d, s, x, w, y);
    case conv_engine::direct:
      return conv_direct_forward(d, s, x, w, y);
    case conv_engine::winograd_2:
      return conv_winograd_forward<2>(d, s, x, w, y);
    case conv_engine::winograd_4:
      return conv_winograd_forward<4>(d, s, x, w, y);
    case conv_engine::depthwise:
      return conv_depthwise_forward(d, s, x, w, y);
    case conv_engine::linear:
      return linear_forward(d, x, w, nullptr, y);
  }
}

/// Overwrites dx with the gradient of the input.
inline void conv_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                feature_view<float> dx) {
  switch (select_conv_engine(s, dx.height, dx.width, d.convolutions())) {
    case conv_engine::gemm:
      return conv_gemm_backward_input(d, s, dy, w, dx);
    case conv_engine::direct:
      return conv_direct_backward_input(d, s, dy, w, dx);
    case conv_engine::winograd_2:
      return conv_winograd_backward_input<2>(d, s, dy, w, dx);
    case conv_engine::winograd_4:
      return conv_winograd_backward_input<4>(d, s, dy, w, dx);
    case conv_engine::depthwise:
      return conv_depthwise_backward_input(d, s, dy, w, dx);
    case conv_engine::linear:
      return linear_backward_input(d, dy, w, dx);
  }
}

/// Adds the gradient of the weights to dw.
inline void conv_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x, feature_view<const float> dy,
                                 float* dw) {
  switch (select_conv_engine(s, x.height, x.width, d.convolutions())) {
    case conv_engine::gemm:
      return conv_gemm_backward_weight(d, s, x, dy, dw);
    case conv_engine::direct:
      return conv_direct_backward_weight(d, s, x, dy, dw);
    case conv_engine::winograd_2:
      return conv_winograd_backward_weight<2>(d, s, x, dy, dw);
    case conv_engine::winograd_4:
      return conv_winograd_backward_weight<4>(d, s, x, dy, dw);
    case conv_engine::depthwise:
      return conv_depthwise_backward_weight(d, s, x, dy, dw);
    case conv_engine::linear:
      return linear_backward_weight(d, x, dy, dw, nullptr);
  }
}

}  // namespace advprop
