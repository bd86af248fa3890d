// What operations would do, as a dry run writes it down.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <advprop/core/shape.hpp>
#include <advprop/core/spec.hpp>

namespace advprop {

/// For a device that computes nothing: its memory has addresses but takes none, and operations write down in `work()`
/// what they would do. The same code makes the same requests of the arena, so its peak is that of a real run.
struct dry_run {};

/// One operation. Traffic is what its sweeps read and write where nothing stays in a cache between them; a device's own
/// copies of weights are left out. FLOPs are those of convolutions and linear layers, computed directly: two a weight
/// and output pixel.
struct work_item {
  std::string layer;           ///< the parameter that it uses, without its last part: "layer1.0.conv1"; may be empty
  const char* operation = "";  ///< its name in the table of operations
  const char* engine = "";     ///< of a convolution
  int batch = 0;
  shape in{}, out{};  ///< of a layer's input and output, whichever way the operation goes
  conv_spec conv{};
  pool_spec pool{};
  activation after = activation::identity;  ///< of a batch norm or an activation
  statistics source = statistics::running;  ///< of a batch norm's gradient
  bool added = false;                       ///< a second branch is added, or gets the gradient, too
  double flops = 0, read = 0, written = 0;  ///< bytes
  std::size_t workspace = 0;                ///< bytes from the arena while it runs, but for a library's
  const float* parameter = nullptr;
};

/// The operations of a dry run, in order.
struct work_log {
  std::vector<work_item> items;
  std::size_t peak = 0;  ///< of the arena, up to the last item that has a workspace
  /// The most that a library may take besides, which is known on the device only: cuDNN's workspace.
  std::size_t library_workspace = 0;
};

}  // namespace advprop
