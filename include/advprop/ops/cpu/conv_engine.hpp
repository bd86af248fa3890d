// Which engine computes a convolution on the CPU.
#pragma once

#include <advprop/core/spec.hpp>
#include <advprop/device/cpu.hpp>

namespace advprop {

namespace detail {
inline constexpr int direct_kernel_limit = 11, direct_stride_limit = 4;
inline constexpr int depthwise_kernel_limit = 11, depthwise_stride_limit = 2;

/// How many neighbouring groups the direct engine makes one of, so that their channels fill blocks or are all there
/// are; 0 where that would be more than four times the work, and im2col remains. Weights between them are zero, so a
/// NaN or an infinity in one makes NaNs in all.
constexpr int joined_groups(const conv_spec& s) {
  for (int join = 1; join <= 4 && join <= s.groups; ++join)
    if (join == s.groups || (s.groups % join == 0 && s.in / s.groups * join % cpu::channel_block == 0 &&
                             s.out / s.groups * join % cpu::channel_block == 0))
      return join;
  return 0;
}
}  // namespace detail

/// Whether the direct engine computes this convolution.
constexpr bool is_direct(const conv_spec& s) {
  return s.kernel <= detail::direct_kernel_limit && s.stride <= detail::direct_stride_limit &&
         detail::joined_groups(s) > 0;
}

/// Whether the depthwise engine computes this convolution.
constexpr bool is_depthwise(const conv_spec& s) {
  return s.groups == s.in && s.groups == s.out && s.kernel <= detail::depthwise_kernel_limit &&
         s.stride <= detail::depthwise_stride_limit;
}

/// Whether the Winograd engine computes this convolution.
constexpr bool is_winograd(const conv_spec& s) {
  return s.kernel == 3 && s.stride == 1 && s.groups == 1 && s.padding <= 2;
}
/// The same for stride 2.
constexpr bool is_winograd_strided(const conv_spec& s) {
  return s.kernel == 3 && s.stride == 2 && s.groups == 1 && s.padding <= 2;
}

enum class conv_engine { gemm, direct, winograd_2, winograd_4, winograd_strided, depthwise, linear };

namespace detail {
/// Winograd where its tiles waste little: its multiplications an output against the direct kernels' nine, and enough
/// channels to pay for the transforms.
constexpr conv_engine select_winograd(const conv_spec& s, int height, int width, convolution_policy policy) {
  constexpr int least_channels = 12;
  if (s.in < least_channels || s.out < least_channels) return conv_engine::direct;
  const int rows = s.output(height), columns = s.output(width);
  if (is_winograd_strided(s) && policy == convolution_policy::fastest) {
    // Tiles of 4 x 4 outputs forward; backward of 8 x 8 inputs, which start outside after none or two zeros.
    const auto inputs = [&](int extent) { return (extent + (s.before(extent) % 2 == 0) + 7) / 8; };
    const int tiles = ((rows + 3) / 4) * ((columns + 3) / 4) + inputs(height) * inputs(width);
    return 0.5 * tiles * 81 <= 7.0 * rows * columns ? conv_engine::winograd_strided : conv_engine::direct;
  }
  if (!is_winograd(s)) return conv_engine::direct;
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
  if (!is_direct(s)) return conv_engine::gemm;
  return policy == convolution_policy::direct ? conv_engine::direct : detail::select_winograd(s, height, width, policy);
}

}  // namespace advprop
