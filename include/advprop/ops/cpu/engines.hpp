// The convolution engines one by one, for tests and benchmarks: conv_forward and the like choose among them, see
// conv_engine.hpp. linear_forward and the like are the engine of single pixels.
#pragma once

#include <advprop/ops/cpu/conv_engine.hpp>
#include <advprop/ops/cpu/conv_gemm.hpp>
#include <advprop/ops/cpu/dispatch.hpp>

namespace advprop {

/// As `conv_forward`; `is_direct` only.
ADVPROP_API void conv_direct_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                     feature_view<float> y) ADVPROP_DISPATCH(conv_direct_forward(d, s, x, w, y));

/// As `conv_backward_input`; `is_direct` only.
ADVPROP_API void conv_direct_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                            feature_view<float> dx)
    ADVPROP_DISPATCH(conv_direct_backward_input(d, s, dy, w, dx));

/// As `conv_backward_weight`; `is_direct` only.
ADVPROP_API void conv_direct_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                             feature_view<const float> dy, float* dw)
    ADVPROP_DISPATCH(conv_direct_backward_weight(d, s, x, dy, dw));

/// As `conv_forward`; `is_depthwise` only.
ADVPROP_API void conv_depthwise_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                        feature_view<float> y) ADVPROP_DISPATCH(conv_depthwise_forward(d, s, x, w, y));

/// As `conv_backward_input`; `is_depthwise` only.
ADVPROP_API void conv_depthwise_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                               feature_view<float> dx)
    ADVPROP_DISPATCH(conv_depthwise_backward_input(d, s, dy, w, dx));

/// As `conv_backward_weight`; `is_depthwise` only.
ADVPROP_API void conv_depthwise_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                                feature_view<const float> dy, float* dw)
    ADVPROP_DISPATCH(conv_depthwise_backward_weight(d, s, x, dy, dw));

/// As `conv_forward`; `is_winograd` only. Tiles of M x M outputs, M = 2 or 4.
template <int M>
ADVPROP_API void conv_winograd_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                       feature_view<float> y) ADVPROP_DISPATCH(conv_winograd_forward<M>(d, s, x, w, y));

/// As `conv_backward_input`; `is_winograd` only.
template <int M>
ADVPROP_API void conv_winograd_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                              feature_view<float> dx)
    ADVPROP_DISPATCH(conv_winograd_backward_input<M>(d, s, dy, w, dx));

/// As `conv_backward_weight`; `is_winograd` only.
template <int M>
ADVPROP_API void conv_winograd_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                               feature_view<const float> dy, float* dw)
    ADVPROP_DISPATCH(conv_winograd_backward_weight<M>(d, s, x, dy, dw));

/// As `conv_forward`; `is_winograd_strided` only.
ADVPROP_API void conv_winograd_strided_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                               feature_view<float> y)
    ADVPROP_DISPATCH(conv_winograd_strided_forward(d, s, x, w, y));

/// As `conv_backward_input`; `is_winograd_strided` only.
ADVPROP_API void conv_winograd_strided_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy,
                                                      const float* w, feature_view<float> dx)
    ADVPROP_DISPATCH(conv_winograd_strided_backward_input(d, s, dy, w, dx));

/// As `conv_backward_weight`; `is_winograd_strided` only.
ADVPROP_API void conv_winograd_strided_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                                       feature_view<const float> dy, float* dw)
    ADVPROP_DISPATCH(conv_winograd_strided_backward_weight(d, s, x, dy, dw));

}  // namespace advprop
