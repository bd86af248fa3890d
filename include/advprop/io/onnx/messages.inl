// The definitions of messages.hpp (core/linkage.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/io/onnx/messages.hpp>

namespace advprop::detail {

ADVPROP_API onnx_attributes& onnx_attributes::integer(std::string_view name, std::int64_t value) {
  protobuf_message a = start(name, 2);
  a.integer(3, value);
  all_.push_back(std::move(a));
  return *this;
}

ADVPROP_API onnx_attributes& onnx_attributes::integers(std::string_view name,
                                                       std::initializer_list<std::int64_t> values) {
  protobuf_message a = start(name, 7);
  for (auto v : values) a.integer(8, v);
  all_.push_back(std::move(a));
  return *this;
}

ADVPROP_API onnx_attributes& onnx_attributes::real(std::string_view name, float value) {
  protobuf_message a = start(name, 1);
  a.real(2, value);
  all_.push_back(std::move(a));
  return *this;
}

ADVPROP_API onnx_attributes& onnx_attributes::text(std::string_view name, std::string_view value) {
  protobuf_message a = start(name, 3);
  a.text(4, value);
  all_.push_back(std::move(a));
  return *this;
}

ADVPROP_API std::string onnx_node(std::string_view type, const std::vector<std::string>& inputs,
                                  const std::string& output, const onnx_attributes& attributes) {
  protobuf_message n, field;
  for (const auto& i : inputs) n.text(1, i);
  n.text(2, output);
  n.text(3, output);
  n.text(4, type);
  for (const auto& a : attributes.all()) n.message(5, a);
  field.message(1, n);
  return field.bytes();
}

ADVPROP_API std::string onnx_initializer(const std::string& name, onnx_type type,
                                         const std::vector<std::int64_t>& shape, std::span<const std::byte> data) {
  protobuf_message t, field;
  for (auto e : shape) t.integer(1, e);
  t.integer(2, type);
  t.text(8, name);
  t.text(9, {reinterpret_cast<const char*>(data.data()), data.size()});
  field.message(5, t);
  return field.bytes();
}

ADVPROP_API protobuf_message onnx_value_info(std::string_view name, std::initializer_list<onnx_extent> shape) {
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

ADVPROP_API std::string onnx_model_head(int opset, std::uint64_t size) {
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
