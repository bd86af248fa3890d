// The messages of an ONNX file that an export needs. The numbers are those of the fields in onnx.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/io/protobuf.hpp>

namespace advprop::detail {

/// The attributes of a node.
class onnx_attributes {
 public:
  onnx_attributes& integer(std::string_view name, std::int64_t value) {
    protobuf_message a = start(name, 2);
    a.integer(3, value);
    all_.push_back(std::move(a));
    return *this;
  }
  onnx_attributes& integers(std::string_view name, std::initializer_list<std::int64_t> values) {
    protobuf_message a = start(name, 7);
    for (auto v : values) a.integer(8, v);
    all_.push_back(std::move(a));
    return *this;
  }
  onnx_attributes& real(std::string_view name, float value) {
    protobuf_message a = start(name, 1);
    a.real(2, value);
    all_.push_back(std::move(a));
    return *this;
  }
  onnx_attributes& text(std::string_view name, std::string_view value) {
    protobuf_message a = start(name, 3);
    a.text(4, value);
    all_.push_back(std::move(a));
    return *this;
  }
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
inline std::string onnx_node(std::string_view type, const std::vector<std::string>& inputs, const std::string& output,
                             const onnx_attributes& attributes) {
  protobuf_message n, field;
  for (const auto& i : inputs) n.text(1, i);
  n.text(2, output);
  n.text(3, output);
  n.text(4, type);
  for (const auto& a : attributes.all()) n.message(5, a);
  field.message(1, n);
  return field.bytes();
}

enum onnx_type { onnx_float = 1, onnx_int64 = 7 };

/// A field of the graph: a constant tensor.
inline std::string onnx_initializer(const std::string& name, onnx_type type, const std::vector<std::int64_t>& shape,
                                    std::span<const std::byte> data) {
  protobuf_message t, field;
  for (auto e : shape) t.integer(1, e);
  t.integer(2, type);
  t.text(8, name);
  t.text(9, {reinterpret_cast<const char*>(data.data()), data.size()});
  field.message(5, t);
  return field.bytes();
}

/// One dimension of an input or output: a size, or 0 and what the open size is called.
struct onnx_extent {
  std::int64_t size;
  std::string_view name = {};
};

/// An input or output of floats.
inline protobuf_message onnx_value_info(std::string_view name, std::initializer_list<onnx_extent> shape) {
  protobuf_message dimensions, tensor, type, info;
  for (const onnx_extent& e : shape) {
    protobuf_message d;
    if (e.size > 0)
      d.integer(1, e.size);
    else
      d.text(2, e.name);
    dimensions.message(1, d);
  }
  tensor.integer(1, onnx_float);
  tensor.message(2, dimensions);
  type.message(1, tensor);
  info.text(1, name);
  info.message(2, type);
  return info;
}

/// A model up to the fields of its graph, which take `size` bytes and follow.
inline std::string onnx_model_head(int opset, std::uint64_t size) {
  protobuf_message set, model;
  set.text(1, "");
  set.integer(2, opset);
  model.integer(1, opset < 15 ? 7 : opset < 19 ? 8 : opset < 21 ? 9 : 10);  // the IR version of that opset's time
  model.text(2, "advprop");
  model.message(8, set);
  model.head(7, size);
  return model.bytes();
}

}  // namespace advprop::detail
