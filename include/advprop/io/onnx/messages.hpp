// The messages of an ONNX file that an export needs. The numbers are those of the fields in onnx.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/io/protobuf.hpp>

namespace advprop::detail {

/// The attributes of a node.
class onnx_attributes {
 public:
  onnx_attributes& integer(std::string_view name, std::int64_t value);
  onnx_attributes& integers(std::string_view name, std::initializer_list<std::int64_t> values);
  onnx_attributes& real(std::string_view name, float value);
  onnx_attributes& text(std::string_view name, std::string_view value);
  const std::vector<protobuf_message>& all() const { return all_; }

 private:
  static protobuf_message start(std::string_view name, int type) {
    protobuf_message a;
    a.text(1, name);
    a.integer(20, type);
    return a;
  }
  std::vector<protobuf_message> all_;
};

/// A field of the graph: a node that is named after its output.
ADVPROP_API std::string onnx_node(std::string_view type, const std::vector<std::string>& inputs,
                                  const std::string& output, const onnx_attributes& attributes);

enum onnx_type { onnx_float = 1, onnx_int64 = 7 };

/// A field of the graph: a constant tensor.
ADVPROP_API std::string onnx_initializer(const std::string& name, onnx_type type,
                                         const std::vector<std::int64_t>& shape, std::span<const std::byte> data);

/// One dimension of an input or output: a size, or 0 and what the open size is called.
struct onnx_extent {
  std::int64_t size;
  std::string_view name = {};
};

/// An input or output of floats.
ADVPROP_API protobuf_message onnx_value_info(std::string_view name, std::initializer_list<onnx_extent> shape);

/// A model up to the fields of its graph, which take `size` bytes and follow.
ADVPROP_API std::string onnx_model_head(int opset, std::uint64_t size);

}  // namespace advprop::detail

#if ADVPROP_HEADER_ONLY
#include <advprop/io/onnx/messages.inl>
#endif
