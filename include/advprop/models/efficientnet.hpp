// EfficientNet (Tan & Le 2019): B0 to B8, the Lite variants, and whatever else compound scaling gives.
#pragma once

#include <type_traits>

#include <advprop/layers/stochastic_depth.hpp>
#include <advprop/models/architecture.hpp>

namespace advprop {

namespace efficientnet {

/// The authors' batch norm (momentum 0.99 in TensorFlow's sense).
struct google_norm {
  static constexpr float epsilon = 1e-3f, momentum = 0.01f;
};

// What implementations of one network differ in. A style of one's own is a struct with these members.

/// The authors' own code, and timm's `tf_efficientnet_*`: padding that depends on the image, batch norm's own numbers.
struct tensorflow_style {
  static constexpr bool same_padded = true;  ///< TensorFlow's "same": the odd pixel of padding goes last
  static constexpr bool gated = true;        ///< squeeze-and-excite
  static constexpr bool scales_ends = true;  ///< stem, head, first and last stage scale too
  static constexpr float drop_path = 0.2f;   ///< drop-connect rate of the last block
  using numbers = google_norm;
  using activation = silu;
};
/// timm's `efficientnet_*` and torchvision's B0 to B4: symmetric padding, PyTorch's batch-norm numbers.
struct pytorch_style : tensorflow_style {
  static constexpr bool same_padded = false;
  using numbers = pytorch_norm;
};
/// torchvision's B5 to B7: symmetric padding with the authors' batch-norm numbers.
struct torchvision_large_style : tensorflow_style {
  static constexpr bool same_padded = false;
};
/// EfficientNet-Lite: ReLU6, no squeeze-and-excite, stem and head as they are; timm's `tf_efficientnet_lite*`.
struct lite_style : tensorflow_style {
  static constexpr bool gated = false;
  static constexpr bool scales_ends = false;
  using activation = relu6;
};

/// The authors' `round_filters`: the multiple of 8 that is near, and not below nine tenths.
constexpr int scaled_width(int channels, double width) {
  const double exact = channels * width;
  int rounded = static_cast<int>(exact + 4) / 8 * 8;
  if (rounded < 8) rounded = 8;
  if (rounded < 0.9 * exact) rounded += 8;
  return rounded;
}
/// The authors' `round_repeats`: rounded up.
constexpr int scaled_depth(int blocks, double depth) {
  const double exact = blocks * depth;
  const int floor = static_cast<int>(exact);
  return floor + (floor < exact ? 1 : 0);
}

template <class Style>
using norm = batch_norm<typename Style::numbers>;
template <class Style, int Kernel>
inline constexpr int padding = Style::same_padded ? same_padding : Kernel / 2;

/// Hu et al. 2018; `Squeezed` channels between.
template <int Channels, int Squeezed, class Style>
struct squeeze_excite
    : gated<sequential<global_average_pool, named<"conv_reduce", convolution<Squeezed, 1, 1, 0, 1, bias::zero>>,
                       typename Style::activation, named<"conv_expand", convolution<Channels, 1, 1, 0, 1, bias::zero>>,
                       sigmoid>> {};

template <int Channels, int Squeezed, class Style>
using gate_of = named<"se", std::conditional_t<Style::gated, squeeze_excite<Channels, Squeezed, Style>, identity>>;

/// Expand, depthwise, squeeze-and-excite, project. Named as in timm; `End` is `stochastic_depth` where there is a skip.
template <int In, int Out, int Kernel, int Stride, int Expand, class End, class Style>
struct mbconv_body
    : sequential<named<"conv_pw", convolution<In * Expand, 1>>, named<"bn1", norm<Style>>, typename Style::activation,
                 named<"conv_dw", depthwise<Kernel, Stride, padding<Style, Kernel>>>, named<"bn2", norm<Style>>,
                 typename Style::activation, gate_of<In * Expand, In / 4, Style>,
                 named<"conv_pwl", convolution<Out, 1>>, named<"bn3", norm<Style>>, End> {};
/// Without expansion there is no first convolution.
template <int In, int Out, int Kernel, int Stride, class End, class Style>
struct mbconv_body<In, Out, Kernel, Stride, 1, End, Style>
    : sequential<named<"conv_dw", depthwise<Kernel, Stride, padding<Style, Kernel>>>, named<"bn1", norm<Style>>,
                 typename Style::activation, gate_of<In, In / 4, Style>, named<"conv_pw", convolution<Out, 1>>,
                 named<"bn2", norm<Style>>, End> {};

/// The inverted residual of Sandler et al. 2018; a skip where the shape stays.
template <int In, int Out, int Kernel, int Stride, int Expand, class Style>
struct mbconv : mbconv_body<In, Out, Kernel, Stride, Expand, block_counter, Style> {};
template <int Width, int Kernel, int Expand, class Style>
struct mbconv<Width, Width, Kernel, 1, Expand, Style>
    : residual<mbconv_body<Width, Width, Kernel, 1, Expand, stochastic_depth, Style>> {};

/// `Count` blocks, the first of which changes the shape.
template <int In, int Out, int Kernel, int Stride, int Expand, int Count, class Style>
struct stage : sequential<mbconv<In, Out, Kernel, Stride, Expand, Style>,
                          repeat<Count - 1, mbconv<Out, Out, Kernel, 1, Expand, Style>>> {};
template <int In, int Out, int Kernel, int Stride, int Expand, class Style>
struct stage<In, Out, Kernel, Stride, Expand, 1, Style> : sequential<mbconv<In, Out, Kernel, Stride, Expand, Style>> {};

/// Widths and depths of B0 (table 1 of the paper), scaled.
template <class Scaling, class Style>
struct plan {
  static constexpr double end_width = Style::scales_ends ? Scaling::width : 1;
  static constexpr double end_depth = Style::scales_ends ? Scaling::depth : 1;
  static constexpr int width(int channels) { return scaled_width(channels, Scaling::width); }
  static constexpr int depth(int blocks) { return scaled_depth(blocks, Scaling::depth); }
  static constexpr int stem = scaled_width(32, end_width), head = scaled_width(1280, end_width);
  static constexpr int w1 = width(16), w2 = width(24), w3 = width(40), w4 = width(80), w5 = width(112), w6 = width(192),
                       w7 = width(320);
  static constexpr int first_depth = scaled_depth(1, end_depth), last_depth = first_depth;
};

/// The seven stages.
template <class P, class Style>
struct stages : sequential<stage<P::stem, P::w1, 3, 1, 1, P::first_depth, Style>,  //
                           stage<P::w1, P::w2, 3, 2, 6, P::depth(2), Style>,       //
                           stage<P::w2, P::w3, 5, 2, 6, P::depth(2), Style>,       //
                           stage<P::w3, P::w4, 3, 2, 6, P::depth(3), Style>,       //
                           stage<P::w4, P::w5, 5, 1, 6, P::depth(3), Style>,       //
                           stage<P::w5, P::w6, 5, 2, 6, P::depth(4), Style>,       //
                           stage<P::w6, P::w7, 3, 1, 6, P::last_depth, Style>> {};

// Compound scaling (section 3.3; the released numbers). `resolution` is the height and width of training images.
// clang-format off
struct b0 { static constexpr double width = 1.0, depth = 1.0; static constexpr int resolution = 224; static constexpr float dropout = 0.2f; };
struct b1 { static constexpr double width = 1.0, depth = 1.1; static constexpr int resolution = 240; static constexpr float dropout = 0.2f; };
struct b2 { static constexpr double width = 1.1, depth = 1.2; static constexpr int resolution = 260; static constexpr float dropout = 0.3f; };
struct b3 { static constexpr double width = 1.2, depth = 1.4; static constexpr int resolution = 300; static constexpr float dropout = 0.3f; };
struct b4 { static constexpr double width = 1.4, depth = 1.8; static constexpr int resolution = 380; static constexpr float dropout = 0.4f; };
struct b5 { static constexpr double width = 1.6, depth = 2.2; static constexpr int resolution = 456; static constexpr float dropout = 0.4f; };
struct b6 { static constexpr double width = 1.8, depth = 2.6; static constexpr int resolution = 528; static constexpr float dropout = 0.5f; };
struct b7 { static constexpr double width = 2.0, depth = 3.1; static constexpr int resolution = 600; static constexpr float dropout = 0.5f; };
struct b8 { static constexpr double width = 2.2, depth = 3.6; static constexpr int resolution = 672; static constexpr float dropout = 0.5f; };
// clang-format on

template <class Scaling>
struct dropout_rate {
  static constexpr float value = Scaling::dropout;
};

}  // namespace efficientnet

/// The network that `Scaling` makes of B0, with the names of timm's state dict. A size of one's own:
///   struct b05 { static constexpr double width = .5, depth = 1; static constexpr int resolution = 160;
///                static constexpr float dropout = .1f; };
///   using network = model<compound_efficientnet<b05, 10>, domains<2>, cpu>;
template <class Scaling, int Classes, class Style = efficientnet::tensorflow_style,
          class Input = normalize<imagenet_statistics>, class Plan = efficientnet::plan<Scaling, Style>>
struct compound_efficientnet
    : architecture<Input, named<"conv_stem", convolution<Plan::stem, 3, 2, efficientnet::padding<Style, 3>>>,
                   named<"bn1", efficientnet::norm<Style>>, typename Style::activation,
                   named<"blocks", efficientnet::stages<Plan, Style>>,  //
                   named<"conv_head", convolution<Plan::head, 1>>, named<"bn2", efficientnet::norm<Style>>,
                   typename Style::activation, global_average_pool, dropout<efficientnet::dropout_rate<Scaling>>,
                   named<"classifier", linear<Classes, linear_start::google>>> {
  static constexpr int resolution = Scaling::resolution;
  static constexpr float drop_path = Style::drop_path;
};

template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b0 : compound_efficientnet<efficientnet::b0, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b1 : compound_efficientnet<efficientnet::b1, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b2 : compound_efficientnet<efficientnet::b2, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b3 : compound_efficientnet<efficientnet::b3, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b4 : compound_efficientnet<efficientnet::b4, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b5 : compound_efficientnet<efficientnet::b5, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b6 : compound_efficientnet<efficientnet::b6, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b7 : compound_efficientnet<efficientnet::b7, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::tensorflow_style, class Input = normalize<imagenet_statistics>>
struct efficientnet_b8 : compound_efficientnet<efficientnet::b8, Classes, Style, Input> {};

// Lite 0 to 2 share B0's to B2's scaling, and their released weights want images in [-1, 1].
template <int Classes, class Style = efficientnet::lite_style, class Input = normalize<symmetric_statistics>>
struct efficientnet_lite0 : compound_efficientnet<efficientnet::b0, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::lite_style, class Input = normalize<symmetric_statistics>>
struct efficientnet_lite1 : compound_efficientnet<efficientnet::b1, Classes, Style, Input> {};
template <int Classes, class Style = efficientnet::lite_style, class Input = normalize<symmetric_statistics>>
struct efficientnet_lite2 : compound_efficientnet<efficientnet::b2, Classes, Style, Input> {};

}  // namespace advprop
