// What the operations of every device are told besides their numbers.
#pragma once

namespace advprop {

/// A convolution's padding by TensorFlow's rule "SAME": output = ceil(input / stride), and an odd zero comes last.
/// With stride 2 and even extents that is not the symmetric kernel / 2.
inline constexpr int same_padding = -1;

/// A square 2-D convolution without bias; weights are out x in/groups x kernel x kernel.
struct conv_spec {
  int in = 0, out = 0, kernel = 1, stride = 1, padding = 0, groups = 1;  // padding: zeros a side, or same_padding

  /// 0 where the window does not fit.
  constexpr int output(int extent) const {
    if (padding == same_padding) return (extent + stride - 1) / stride;
    const int room = extent + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }
  /// Zeros before the first of `extent` input pixels.
  constexpr int before(int extent) const {
    if (padding != same_padding) return padding;
    const int total = (output(extent) - 1) * stride + kernel - extent;
    return total > 0 ? total / 2 : 0;
  }
  friend constexpr bool operator==(const conv_spec&, const conv_spec&) = default;
};

/// A square pooling window.
struct pool_spec {
  int kernel = 2, stride = 2, padding = 0;

  constexpr int output(int extent) const {
    const int room = extent + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }
  friend constexpr bool operator==(const pool_spec&, const pool_spec&) = default;
};

/// One step of PyTorch's SGD. Here and below `gradient_scale` multiplies the gradients first (clipping, averaging), and
/// so does `*device_scale`, which a device with memory of its own has in it (null: 1).
struct sgd_spec {
  float learning_rate = 0.1f, momentum = 0, weight_decay = 0;
  bool nesterov = false;
  float gradient_scale = 1;
  const float* device_scale = nullptr;
};

/// One step of TensorFlow's RMSProp.
struct rmsprop_spec {
  float learning_rate = 0.016f, decay = 0.9f, momentum = 0.9f, epsilon = 1e-3f, weight_decay = 0, gradient_scale = 1;
  const float* device_scale = nullptr;
};

/// One step of AdamW (Loshchilov & Hutter 2019, algorithm 2). `step_size` is the learning rate over
/// 1 - beta1^t, `root_scale` is 1 / sqrt(1 - beta2^t), for step t from 1.
struct adamw_spec {
  float learning_rate = 1e-3f, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, weight_decay = 0, gradient_scale = 1;
  float step_size = 1e-3f, root_scale = 1;
  const float* device_scale = nullptr;
};

enum class activation { identity, relu, silu, relu6 };

/// Whether an activation's slope can be told from its output; else it needs its input.
constexpr bool slope_from_output(activation a) { return a == activation::relu || a == activation::relu6; }

/// Which mean and variance a batch norm uses: those of its present batch, or the running estimates.
enum class statistics { batch, running };

}  // namespace advprop
