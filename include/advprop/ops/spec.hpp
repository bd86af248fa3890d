// What the operations of every device are told besides their numbers.
#pragma once

namespace advprop {

/// A square 2-D convolution without bias; weights are out x in/groups x kernel x kernel.
struct conv_spec {
  int in = 0, out = 0, kernel = 1, stride = 1, padding = 0, groups = 1;

  /// 0 where the window does not fit.
  constexpr int output(int extent) const {
    const int room = extent + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
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

enum class activation { identity, relu, silu };

/// Which mean and variance a batch norm uses: those of its present batch, or the running estimates.
enum class statistics { batch, running };

}  // namespace advprop
