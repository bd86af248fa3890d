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
    case conv_engine::winograd_strided:
      return conv_winograd_strided_forward(d, s, x, w, y);
    case conv_engine::depthwise:
      return conv_depthwise_forward(d, s, x, w, y);
    case conv_engine::linear:
      return linear_forward(d, x, w, nullptr, y);
  }
}

inline void conv_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                feature_view<float> dx, feature_view<const float> add) {
  switch (select_conv_engine(s, dx.height, dx.width, d.convolutions())) {
    case conv_engine::winograd_2:
      return conv_winograd_backward_input<2>(d, s, dy, w, dx, add);
    case conv_engine::winograd_4:
      return conv_winograd_backward_input<4>(d, s, dy, w, dx, add);
    case conv_engine::winograd_strided:
      return conv_winograd_strided_backward_input(d, s, dy, w, dx, add);
    case conv_engine::direct:
      return conv_direct_backward_input(d, s, dy, w, dx, add);
    case conv_engine::gemm:
      conv_gemm_backward_input(d, s, dy, w, dx);
      break;
    case conv_engine::depthwise:
      conv_depthwise_backward_input(d, s, dy, w, dx);
      break;
    case conv_engine::linear:
      ADVPROP_TARGET::linear_backward_input(d, dy, w, dx);
      break;
  }
  if (add.data && !d.dry()) ADVPROP_TARGET::add(d, add, dx);
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
    case conv_engine::winograd_strided:
      return conv_winograd_strided_backward_weight(d, s, x, dy, dw);
    case conv_engine::depthwise:
      return conv_depthwise_backward_weight(d, s, x, dy, dw);
    case conv_engine::linear:
      return linear_backward_weight(d, x, dy, dw, nullptr);
  }
}

inline void conv_norm_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w, activation a,
                              const norm_parameters& p, feature_view<const float> add, feature_view<float> y) {
  const detail::folded_norm norm(d, p, s.out);
  const detail::conv_epilogue after{norm.factor(), norm.shift(), add, a};
  switch (select_conv_engine(s, x.height, x.width, d.convolutions())) {
    case conv_engine::direct:
      return conv_direct_forward(d, s, x, w, y, &after);
    case conv_engine::depthwise:
      return conv_depthwise_forward(d, s, x, w, y, &after);
    case conv_engine::winograd_2:
      if (a != activation::silu) return conv_winograd_forward<2>(d, s, x, w, y, &after);
      break;
    case conv_engine::winograd_4:
      if (a != activation::silu) return conv_winograd_forward<4>(d, s, x, w, y, &after);
      break;
    case conv_engine::winograd_strided:
      if (a != activation::silu) return conv_winograd_strided_forward(d, s, x, w, y, &after);
      break;
    case conv_engine::gemm:
    case conv_engine::linear:
      break;
  }
  ADVPROP_TARGET::conv_forward(d, s, x, w, y);
  ADVPROP_TARGET::norm_forward(d, a, y, p, add, y);
}

inline void conv_norm_backward_input(cpu& d, const conv_spec& s, activation a, feature_view<const float> y,
                                     feature_view<const float> dy, const float* w, const norm_parameters& p,
                                     feature_view<float> dx, feature_view<const float> add) {
  const detail::folded_norm norm(d, p, s.out);
  const detail::conv_prologue before{y, norm.factor(), a};
  switch (select_conv_engine(s, dx.height, dx.width, d.convolutions())) {
    case conv_engine::winograd_2:
      return conv_winograd_backward_input<2>(d, s, dy, w, dx, add, &before);
    case conv_engine::winograd_4:
      return conv_winograd_backward_input<4>(d, s, dy, w, dx, add, &before);
    case conv_engine::winograd_strided:
      return conv_winograd_strided_backward_input(d, s, dy, w, dx, add, &before);
    default:
      break;
  }
  const auto memory =
      d.memory().allocate(sizeof(float) * static_cast<std::size_t>(cpu::elements(dy.batch, dy.image())));
  const feature_view<float> g{static_cast<float*>(memory.data()), dy.batch, dy.channels, dy.height, dy.width};
  if (!d.dry())
    detail::for_blocks(d, dy, [&](int n, int b) {
      before.apply(channel_block(dy, n, b), n, b, 0, std::ptrdiff_t{dy.height} * dy.width, channel_block(g, n, b));
    });
  ADVPROP_TARGET::conv_backward_input(d, s, g, w, dx, add);
}

}  // namespace advprop::ADVPROP_TARGET
