// Convolution on the CPU: the three passes, each by the engine that suits its shape.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {

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

}  // namespace advprop::ADVPROP_TARGET
