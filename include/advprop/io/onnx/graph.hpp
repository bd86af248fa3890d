// Recorded steps become the nodes and tensors of an ONNX graph.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/device/recorder.hpp>
#include <advprop/io/onnx/messages.hpp>

namespace advprop::detail {

/// A parameter of the network, as it goes into the file.
struct onnx_tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;

  std::string module() const { return name.substr(0, name.rfind('.')); }
};
using onnx_tensors = std::map<const float*, onnx_tensor>;  // by what the recorded steps point to

/// Turns recorded steps into ONNX nodes and tensors.
class onnx_graph {
 public:
  onnx_graph(std::vector<recorder::step> steps, int output, onnx_tensors tensors, bool fold_batch_norm, bool any_size);

  /// The fields of the graph, each in protocol buffers' framing.
  const std::vector<std::string>& nodes() const { return nodes_; }
  const std::vector<std::string>& initializers() const { return initializers_; }

 private:
  using operation = recorder::operation;
  struct value {
    std::string name;
    bool flat = false;  ///< batch x channels, without the two spatial dimensions
  };
  const onnx_tensor& tensor(const float* p) const;

  /// The bias of a weight that was given one: "conv1.weight" -> "conv1.bias".
  static std::string bias_name(std::string weight) {
    if (weight.ends_with(".weight")) weight.resize(weight.size() - 7);
    return weight + ".bias";
  }

  /// A bias, and a batch norm over running statistics, is part of the convolution before it.
  void merge_into_convolutions();

  /// Zeros where there is none yet; `constants[0]` of a convolution is its bias.
  static std::vector<float>& bias_of(recorder::step& conv);
  void add_bias(recorder::step& conv, const recorder::step& s);
  void fold(recorder::step& conv, const recorder::step& norm);

  void emit(const recorder::step& s);

  void emit_subsample(const recorder::step& s, const std::string& x);

  /// Kernel, strides and padding of a convolution or a pooling window; padding below zero is TensorFlow's "SAME".
  template <class Spec>
  onnx_attributes window(const Spec& w, const recorder::step& s) const {
    onnx_attributes a;
    a.integers("kernel_shape", {w.kernel, w.kernel}).integers("strides", {w.stride, w.stride});
    const auto around = [&](int in, int out) {
      const int total = std::max((out - 1) * w.stride + w.kernel - in, 0);
      return w.padding >= 0 ? std::pair(w.padding, w.padding) : std::pair(total / 2, total - total / 2);
    };
    if (w.padding < 0 && any_size_) return a.text("auto_pad", "SAME_UPPER");
    const auto [top, bottom] = around(s.in.height, s.out.height);
    const auto [left, right] = around(s.in.width, s.out.width);
    return a.integers("pads", {top, left, bottom, right});
  }

  std::string input(const recorder::step& s);
  /// The value with both spatial dimensions, and without them.
  std::string spatial(int v);
  std::string flattened(int v);

  /// A name that is not taken: the wish, or the wish and a number.
  std::string fresh(const std::string& wish);

  void define(const recorder::step& s, std::string_view type, std::vector<std::string> inputs, bool flat,
              const std::string& wish, const onnx_attributes& attributes = {});

  void node(std::string_view type, const std::vector<std::string>& inputs, const std::string& output,
            const onnx_attributes& attributes);

  std::string constant(const std::string& name, const std::vector<std::int64_t>& shape, std::span<const float> values);
  std::string integers(const std::string& name, const std::vector<std::int64_t>& values);
  /// One tensor a name: whoever asks for it again means the same numbers.
  std::string initializer(const std::string& name, onnx_type type, const std::vector<std::int64_t>& shape,
                          std::span<const std::byte> data);

  bool fold_batch_norm_, any_size_;
  std::vector<recorder::step> steps_;
  onnx_tensors tensors_;
  int output_;
  std::map<int, value> values_;
  std::set<std::string> taken_{"images", "logits"}, constants_;
  std::vector<std::string> nodes_, initializers_;
};

}  // namespace advprop::detail

#if ADVPROP_HEADER_ONLY
#include <advprop/io/onnx/graph.inl>
#endif
