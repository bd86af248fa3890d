// The definitions of graph.hpp (core/linkage.hpp).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/io/onnx/graph.hpp>

namespace advprop::detail {

ADVPROP_API onnx_graph::onnx_graph(std::vector<recorder::step> steps, int output, onnx_tensors tensors,
                                   bool fold_batch_norm, bool any_size)
    : fold_batch_norm_(fold_batch_norm),
      any_size_(any_size),
      steps_(std::move(steps)),
      tensors_(std::move(tensors)),
      output_(output) {
  merge_into_convolutions();
  values_[0] = {"images", false};
  for (const auto& s : steps_) emit(s);
  if (!values_.at(output_).flat) node("Flatten", {values_.at(output_).name}, "logits", {});
}

ADVPROP_API const onnx_tensor& onnx_graph::tensor(const float* p) const {
  const auto found = tensors_.find(p);
  if (found == tensors_.end()) fail<argument_error>("export_onnx: a layer uses numbers that are not parameters");
  return found->second;
}

ADVPROP_API void onnx_graph::merge_into_convolutions() {
  std::map<int, int> uses;
  std::map<const float*, int> weight_uses;
  ++uses[output_];
  for (const auto& s : steps_) ++uses[s.x], ++uses[s.other], ++weight_uses[s.numbers[0]];
  std::map<int, std::size_t> made_by;  // convolutions among the steps that stay
  std::vector<recorder::step> kept;
  for (auto& s : steps_) {
    const auto before = made_by.find(s.x);
    const bool wanted = s.what == operation::bias || (s.what == operation::norm && fold_batch_norm_);
    if (wanted && before != made_by.end() && uses[s.x] == 1 && weight_uses[kept[before->second].numbers[0]] == 1) {
      const std::size_t at = before->second;
      s.what == operation::bias ? add_bias(kept[at], s) : fold(kept[at], s);
      kept[at].y = s.y;
      made_by[s.y] = at;
      continue;
    }
    if (s.what == operation::convolution) made_by[s.y] = kept.size();
    kept.push_back(std::move(s));
  }
  steps_ = std::move(kept);
}

ADVPROP_API std::vector<float>& onnx_graph::bias_of(recorder::step& conv) {
  conv.constants[0].resize(static_cast<std::size_t>(conv.conv.out));
  return conv.constants[0];
}

ADVPROP_API void onnx_graph::add_bias(recorder::step& conv, const recorder::step& s) {
  auto& bias = bias_of(conv);
  for (std::size_t c = 0; c < bias.size(); ++c) bias[c] += tensor(s.numbers[0]).values[c];
}

ADVPROP_API void onnx_graph::fold(recorder::step& conv, const recorder::step& norm) {
  auto& weight = tensors_.at(conv.numbers[0]).values;
  auto& bias = bias_of(conv);
  const std::size_t each = weight.size() / bias.size();
  const auto number = [&](int i, std::size_t c) { return double{tensor(norm.numbers[i]).values[c]}; };
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const double factor = number(2, c) / std::sqrt(number(1, c) + double{norm.epsilon});
    bias[c] = static_cast<float>((double{bias[c]} - number(0, c)) * factor + number(3, c));
    for (std::size_t i = c * each; i < (c + 1) * each; ++i) weight[i] = static_cast<float>(double{weight[i]} * factor);
  }
}

ADVPROP_API void onnx_graph::emit(const recorder::step& s) {
  const auto chw = [&](std::span<const float> v, const std::string& name) {
    return constant(name, {1, static_cast<std::int64_t>(v.size()), 1, 1}, v);
  };
  const auto parameter = [&](int i) {
    const onnx_tensor& t = tensor(s.numbers[i]);
    return constant(t.name, t.shape, t.values);
  };
  const std::string x = s.what == operation::normalize || s.what == operation::linear ? "" : input(s);
  const bool flat = s.what == operation::linear || values_.at(s.x).flat;
  switch (s.what) {
    case operation::normalize: {
      const std::string centred = fresh("centred");
      node("Sub", {"images", chw(s.constants[0], "images.mean")}, centred, {});
      return define(s, "Div", {centred, chw(s.constants[1], "images.deviation")}, false, "normalized");
    }
    case operation::convolution: {
      std::vector<std::string> inputs{x, parameter(0)};
      if (!s.constants[0].empty()) inputs.push_back(constant(bias_name(inputs[1]), {s.conv.out}, s.constants[0]));
      return define(s, "Conv", std::move(inputs), false, tensor(s.numbers[0]).module(),
                    window(s.conv, s).integer("group", s.conv.groups));
    }
    case operation::bias: {
      const onnx_tensor& b = tensor(s.numbers[0]);
      return define(s, "Add", {x, chw(b.values, b.name)}, false, b.module());
    }
    case operation::norm:
      return define(s, "BatchNormalization", {x, parameter(2), parameter(3), parameter(0), parameter(1)}, flat,
                    tensor(s.numbers[2]).module(), onnx_attributes().real("epsilon", s.epsilon));
    case operation::add:
      return define(s, "Add", {x, spatial(s.other)}, false, "add");
    case operation::scale:
      return define(s, "Mul", {x, spatial(s.other)}, false, "scale");
    case operation::relu:
      return define(s, "Relu", {x}, flat, "relu");
    case operation::relu6: {
      const float least = 0, most = 6;
      return define(s, "Clip", {x, constant("zero", {}, {&least, 1}), constant("six", {}, {&most, 1})}, flat, "relu6");
    }
    case operation::silu: {
      const std::string gate = fresh("sigmoid");
      node("Sigmoid", {x}, gate, {});
      return define(s, "Mul", {x, gate}, flat, "silu");
    }
    case operation::sigmoid:
      return define(s, "Sigmoid", {x}, flat, "sigmoid");
    case operation::subsample:
      return emit_subsample(s, x);
    case operation::max_pool:
      return define(s, "MaxPool", {x}, false, "max_pool", window(s.pool, s));
    case operation::average_pool:
      return define(s, "AveragePool", {x}, false, "average_pool", window(s.pool, s).integer("count_include_pad", 1));
    case operation::global_average:
      return define(s, "GlobalAveragePool", {x}, false, "global_average");
    case operation::linear:
      return define(s, "Gemm", {flattened(s.x), parameter(0), parameter(1)}, true, tensor(s.numbers[0]).module(),
                    onnx_attributes().integer("transB", 1));
  }
}

ADVPROP_API void onnx_graph::emit_subsample(const recorder::step& s, const std::string& x) {
  const std::string start = integers("first", {0, 0}), end = integers("last", {INT64_MAX, INT64_MAX}),
                    axes = integers("height_width", {2, 3}),
                    steps = integers("every_" + std::to_string(s.stride), {s.stride, s.stride});
  const std::string every = fresh("subsample");
  node("Slice", {x, start, end, axes, steps}, every, {});
  const int behind = s.out.channels - s.in.channels - s.pad_before;
  const std::string pads = integers("pad_" + std::to_string(s.pad_before) + "_" + std::to_string(behind),
                                    {0, s.pad_before, 0, 0, 0, behind, 0, 0});
  define(s, "Pad", {every, pads}, false, "pad");
}

ADVPROP_API std::string onnx_graph::input(const recorder::step& s) {
  switch (s.what) {
    case operation::norm:
    case operation::relu:
    case operation::relu6:
    case operation::silu:
    case operation::sigmoid:
      return values_.at(s.x).name;  // in either form
    default:
      return spatial(s.x);
  }
}

ADVPROP_API std::string onnx_graph::spatial(int v) {
  if (!values_.at(v).flat) return values_.at(v).name;
  const std::string name = fresh("spatial");
  node("Unsqueeze", {values_.at(v).name, integers("height_width", {2, 3})}, name, {});
  return name;
}

ADVPROP_API std::string onnx_graph::flattened(int v) {
  if (values_.at(v).flat) return values_.at(v).name;
  const std::string name = fresh("flatten");
  node("Flatten", {values_.at(v).name}, name, {});
  return name;
}

ADVPROP_API std::string onnx_graph::fresh(const std::string& wish) {
  std::string name = wish;
  for (int i = 2; !taken_.insert(name).second; ++i) name = wish + "_" + std::to_string(i);
  return name;
}

ADVPROP_API void onnx_graph::define(const recorder::step& s, std::string_view type, std::vector<std::string> inputs,
                                    bool flat, const std::string& wish, const onnx_attributes& attributes) {
  const std::string name = s.y == output_ && flat ? "logits" : fresh(wish);
  node(type, inputs, name, attributes);
  values_[s.y] = {name, flat};
}

ADVPROP_API void onnx_graph::node(std::string_view type, const std::vector<std::string>& inputs,
                                  const std::string& output, const onnx_attributes& attributes) {
  nodes_.push_back(onnx_node(type, inputs, output, attributes));
}

ADVPROP_API std::string onnx_graph::constant(const std::string& name, const std::vector<std::int64_t>& shape,
                                             std::span<const float> values) {
  return initializer(name, onnx_float, shape, std::as_bytes(values));
}

ADVPROP_API std::string onnx_graph::integers(const std::string& name, const std::vector<std::int64_t>& values) {
  return initializer(name, onnx_int64, {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values)));
}

ADVPROP_API std::string onnx_graph::initializer(const std::string& name, onnx_type type,
                                                const std::vector<std::int64_t>& shape,
                                                std::span<const std::byte> data) {
  if (constants_.insert(name).second) initializers_.push_back(onnx_initializer(name, type, shape, data));
  return name;
}

}  // namespace advprop::detail
