// Convolution as im2col and Eigen's matrix product: any stride, padding and groups; the yardstick of other engines.
#pragma once

#include <advprop/core/linkage.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/device/cpu.hpp>

namespace advprop {

/// As `conv_forward`, always by im2col; for the compiler's own instruction set.
ADVPROP_API void conv_gemm_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                   feature_view<float> y);

/// As `conv_backward_input`, always by col2im.
ADVPROP_API void conv_gemm_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                          feature_view<float> dx);

/// As `conv_backward_weight`, always by im2col.
ADVPROP_API void conv_gemm_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                           feature_view<const float> dy, float* dw);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/ops/cpu/conv_gemm.inl>
#endif
