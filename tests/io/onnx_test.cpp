#include <advprop/io/onnx.hpp>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "../models/harness.hpp"
#include "onnx_networks.hpp"

namespace onnx_test {

using namespace advprop;
using onnx_networks::everything;

namespace {

/// A message taken apart: its fields in order.
struct field {
  int number = 0;
  std::uint64_t integer = 0;  // also the bits of a float
  std::string_view bytes;
};
using message = std::vector<field>;

std::uint64_t take_varint(std::string_view& s) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    REQUIRE(!s.empty());
    const auto byte = static_cast<unsigned char>(s.front());
    s.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
}
message parse(std::string_view s) {
  message m;
  while (!s.empty()) {
    const auto key = take_varint(s);
    field f;
    f.number = static_cast<int>(key >> 3);
    if ((key & 7) == 0) {
      f.integer = take_varint(s);
    } else {
      REQUIRE(((key & 7) == 2 || (key & 7) == 5));
      const auto size = (key & 7) == 5 ? 4 : take_varint(s);
      REQUIRE(size <= s.size());
      f.bytes = s.substr(0, size);
      if ((key & 7) == 5) std::memcpy(&f.integer, f.bytes.data(), 4);
      s.remove_prefix(size);
    }
    m.push_back(f);
  }
  return m;
}
const field& the(const message& m, int number) {
  for (const field& f : m)
    if (f.number == number) return f;
  FAIL("no field " << number);
  return m[0];
}

struct node_info {
  std::string type, output;
  std::vector<std::string> inputs;
  std::map<std::string, message> attributes;

  std::vector<std::int64_t> ints(const std::string& name) const {
    std::vector<std::int64_t> v;
    for (const field& f : attributes.at(name))
      if (f.number == 8) v.push_back(static_cast<std::int64_t>(f.integer));
    return v;
  }
  std::int64_t integer(const std::string& name) const {
    return static_cast<std::int64_t>(the(attributes.at(name), 3).integer);
  }
};
struct constant_info {
  std::vector<std::int64_t> shape;
  std::string_view bytes;
  std::vector<float> floats() const {
    std::vector<float> v(bytes.size() / sizeof(float));
    std::memcpy(v.data(), bytes.data(), bytes.size());
    return v;
  }
};

/// What the file says, checked for what every graph must be: values are made once, before they are read.
struct onnx_file {
  std::string content;
  std::int64_t ir_version = 0, opset = 0;
  std::vector<node_info> nodes;
  std::map<std::string, constant_info> constants;
  std::vector<std::string> image_shape, logit_shape;

  explicit onnx_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    content.assign(std::istreambuf_iterator<char>(in), {});
    read(content);
  }
  onnx_file(const detail::onnx_graph& graph) {  // nodes and constants only
    for (const auto* pieces : {&graph.nodes(), &graph.initializers()})
      for (const auto& p : *pieces) content += p;
    read_graph(parse(content));
  }
  onnx_file(const onnx_file&) = delete;

  std::vector<std::string> types() const {
    std::vector<std::string> t;
    for (const auto& n : nodes) t.push_back(n.type);
    return t;
  }
  int count(const std::string& type) const {
    const auto t = types();
    return static_cast<int>(std::count(t.begin(), t.end(), type));
  }
  const node_info& node(const std::string& output) const {
    for (const auto& n : nodes)
      if (n.output == output) return n;
    FAIL("no node " << output);
    return nodes[0];
  }

 private:
  void read(std::string_view all) {
    const message model = parse(all);
    ir_version = static_cast<std::int64_t>(the(model, 1).integer);
    opset = static_cast<std::int64_t>(the(parse(the(model, 8).bytes), 2).integer);
    const message graph = parse(the(model, 7).bytes);
    read_graph(graph);
    std::set<std::string> known{"images"};
    for (const auto& c : constants) CHECK(known.insert(c.first).second);
    for (const auto& n : nodes) {
      for (const auto& i : n.inputs) CHECK_MESSAGE(known.contains(i), n.output << " reads " << i);
      CHECK_MESSAGE(known.insert(n.output).second, n.output);
    }
    CHECK(known.contains("logits"));
    image_shape = shape_of(the(graph, 11).bytes, "images");
    logit_shape = shape_of(the(graph, 12).bytes, "logits");
  }
  void read_graph(const message& graph) {
    for (const field& f : graph) {
      if (f.number != 1 && f.number != 5) continue;
      const message m = parse(f.bytes);
      if (f.number == 5) {
        constant_info& c = constants[std::string(the(m, 8).bytes)];
        for (const field& d : m)
          if (d.number == 1) c.shape.push_back(static_cast<std::int64_t>(d.integer));
        c.bytes = the(m, 9).bytes;
        continue;
      }
      node_info n{std::string(the(m, 4).bytes), std::string(the(m, 2).bytes), {}, {}};
      for (const field& g : m) {
        if (g.number == 1) n.inputs.emplace_back(g.bytes);
        if (g.number == 5) n.attributes[std::string(the(parse(g.bytes), 1).bytes)] = parse(g.bytes);
      }
      nodes.push_back(std::move(n));
    }
  }
  static std::vector<std::string> shape_of(std::string_view info, const std::string& name) {
    CHECK(the(parse(info), 1).bytes == name);
    const message tensor = parse(the(parse(the(parse(info), 2).bytes), 1).bytes);
    CHECK(the(tensor, 1).integer == 1);
    std::vector<std::string> shape;
    for (const field& f : parse(the(tensor, 2).bytes)) {
      const field d = parse(f.bytes).at(0);
      shape.push_back(d.number == 1 ? std::to_string(d.integer) : std::string(d.bytes));
    }
    return shape;
  }
};

struct temporary {
  std::string path = (std::filesystem::temp_directory_path() /
                      ("advprop_onnx_" + std::to_string(reinterpret_cast<std::uintptr_t>(this))))
                         .string();
  ~temporary() { std::filesystem::remove(path); }
};

using strings = std::vector<std::string>;
using grey = model<resnet20<10, shortcut_option::a, normalize<fashion_mnist_statistics>>, domains<1>, cpu>;

}  // namespace

TEST_CASE("ResNet-20 becomes the nodes one expects; batch norms are in the convolutions") {
  const temporary file;
  cpu d(1);
  model<resnet20<10>, domains<2>, cpu> m(d);
  export_onnx(m, file.path);
  const onnx_file f(file.path);
  CHECK((f.ir_version == 8 && f.opset == 17));
  CHECK(f.image_shape == strings{"batch", "3", "height", "width"});
  CHECK(f.logit_shape == strings{"batch", "10"});
  CHECK((f.count("Conv") == 19 && f.count("Relu") == 19 && f.count("Add") == 9 && f.count("BatchNormalization") == 0));
  CHECK((f.count("Slice") == 2 && f.count("Pad") == 2));
  CHECK(f.nodes.size() == 2 + 19 + 19 + 9 + 4 + 3);
  CHECK(f.types().front() == "Sub");
  CHECK(f.nodes.back().type == "Gemm");
  CHECK(f.nodes.back().inputs == strings{"flatten", "linear.weight", "linear.bias"});
  CHECK(f.constants.at("images.mean").shape == std::vector<std::int64_t>{1, 3, 1, 1});
  CHECK(f.constants.at("images.deviation").floats() == std::vector<float>{0.2470f, 0.2435f, 0.2616f});
  CHECK(f.nodes.back().integer("transB") == 1);
  CHECK(f.node("layer2.0.conv1").ints("strides") == std::vector<std::int64_t>{2, 2});
  CHECK(f.node("layer2.0.conv1").ints("pads") == std::vector<std::int64_t>{1, 1, 1, 1});
  CHECK(f.node("layer2.0.conv1").ints("kernel_shape") == std::vector<std::int64_t>{3, 3});

  std::int64_t pads[8];
  std::memcpy(pads, f.constants.at("pad_8_8").bytes.data(), sizeof pads);
  CHECK((pads[1] == 8 && pads[5] == 8 && pads[0] + pads[2] + pads[3] + pads[4] + pads[6] + pads[7] == 0));
}

TEST_CASE("Batch norms that are not folded have the numbers of the domain that was asked for") {
  const temporary file;
  cpu d(1);
  model<resnet20<10>, domains<3>, cpu> m(d);
  onnx_networks::scramble(m, 1);
  for (int k = 0; k < 3; ++k) {
    export_onnx(m, file.path, {.domain = domains<3>::at(k), .fold_batch_norm = false, .height = 32, .width = 28});
    const onnx_file f(file.path);
    CHECK(f.image_shape == strings{"batch", "3", "32", "28"});
    CHECK(f.count("BatchNormalization") == 19);
    const std::string bn = "layer2.1.bn2" + (k ? ".aux_bn." + std::to_string(k - 1) : "");
    CHECK(f.node(bn).inputs ==
          strings{"layer2.1.conv2", bn + ".weight", bn + ".bias", bn + ".running_mean", bn + ".running_var"});
    float epsilon;
    std::memcpy(&epsilon, &the(f.node(bn).attributes.at("epsilon"), 2).integer, sizeof epsilon);
    CHECK(epsilon == 1e-5f);
    for (const char* leaf : {".weight", ".bias", ".running_mean", ".running_var"})
      CHECK(harness::same_bits(f.constants.at(bn + leaf).floats(), harness::tensor_of(m, bn + leaf)));
    CHECK(harness::same_bits(f.constants.at("layer1.0.conv2.weight").floats(),
                             harness::tensor_of(m, "layer1.0.conv2.weight")));
    CHECK(f.node("layer1.0.conv2").inputs.size() == 2);
    CHECK(f.constants.size() == 20 + 1 + 4 * 19 + 2 + 6);  // no other domain's
  }
}

TEST_CASE("Domains that share statistics or scale and shift export the shared ones") {
  const temporary file;
  cpu d(1);
  model<harness::small, domains<2, share::statistics>, cpu> s(d);
  export_onnx(s, file.path, {.domain = domains<2>::auxiliary(0), .fold_batch_norm = false});
  CHECK(onnx_file(file.path).node("bn1.aux_bn.0").inputs ==
        strings{"conv1", "bn1.aux_bn.0.weight", "bn1.aux_bn.0.bias", "bn1.running_mean", "bn1.running_var"});
  model<harness::small, domains<2, share::affine>, cpu> a(d);
  export_onnx(a, file.path, {.domain = domains<2>::auxiliary(0), .fold_batch_norm = false});
  CHECK(onnx_file(file.path).node("bn1").inputs ==
        strings{"conv1", "bn1.weight", "bn1.bias", "bn1.aux_bn.0.running_mean", "bn1.aux_bn.0.running_var"});
}

TEST_CASE("Folding: weight * scale / deviation, and the bias that goes with it") {
  const temporary file;
  cpu d(1);
  model<everything, domains<1>, cpu> m(d, seed{3});
  onnx_networks::scramble(m, 2);
  export_onnx(m, file.path);
  const onnx_file f(file.path);
  const auto check = [&](const std::string& conv, const std::string& bn, double epsilon, bool own_bias) {
    const auto weight = f.constants.at(conv + ".weight").floats(), bias = f.constants.at(conv + ".bias").floats();
    const auto w = harness::tensor_of(m, conv + ".weight"), scale = harness::tensor_of(m, bn + ".weight"),
               shift = harness::tensor_of(m, bn + ".bias"), mean = harness::tensor_of(m, bn + ".running_mean"),
               variance = harness::tensor_of(m, bn + ".running_var");
    REQUIRE(bias.size() == scale.size());
    const std::size_t each = w.size() / scale.size();
    for (std::size_t c = 0; c < scale.size(); ++c) {
      const double k = double{scale[c]} / std::sqrt(double{variance[c]} + epsilon);
      const double b = own_bias ? double{harness::tensor_of(m, conv + ".bias")[c]} : 0.0;
      CHECK(bias[c] == doctest::Approx((b - double{mean[c]}) * k + double{shift[c]}).epsilon(1e-6));
      for (std::size_t i = 0; i < each; ++i)
        CHECK(weight[c * each + i] == doctest::Approx(double{w[c * each + i]} * k).epsilon(1e-6));
    }
  };
  check("0", "1", 1e-5, true);
  check("3", "4", 1e-3, false);
}

TEST_CASE("Every layer in every place: nodes in order") {
  const temporary file;
  cpu d(1);
  model<everything, domains<1>, cpu> m(d);
  export_onnx(m, file.path, {.height = 40, .width = 48, .opset = 13});
  const onnx_file f(file.path);
  CHECK((f.ir_version == 7 && f.opset == 13));
  CHECK(f.types() == strings{"Sub",
                             "Div",
                             "Conv",
                             "Relu",
                             "Conv",
                             "Sigmoid",
                             "Mul",  //
                             "GlobalAveragePool",
                             "Conv",
                             "Sigmoid",
                             "Mul",
                             "Conv",
                             "Sigmoid",
                             "Mul",  // squeeze
                             "Conv",
                             "BatchNormalization",
                             "Relu",
                             "Conv",
                             "Add",
                             "Sigmoid",
                             "Mul",  // residual
                             "Slice",
                             "Pad",
                             "MaxPool",
                             "AveragePool",
                             "Relu",
                             "GlobalAveragePool",  //
                             "Flatten",
                             "Gemm",
                             "BatchNormalization",
                             "Relu",
                             "Gemm",  //
                             "Unsqueeze",
                             "GlobalAveragePool",
                             "Flatten",
                             "Gemm",
                             "Sigmoid",  // flat gate
                             "Unsqueeze",
                             "Unsqueeze",
                             "Mul",
                             "Flatten"});
  CHECK(f.nodes[4].integer("group") == 8);
  CHECK(f.node("7").integer("group") == 2);
  CHECK(f.node("average_pool").integer("count_include_pad") == 1);
  CHECK(f.node("average_pool").ints("pads") == std::vector<std::int64_t>{1, 1, 1, 1});
  CHECK(f.node("max_pool").ints("strides") == std::vector<std::int64_t>{1, 1});
  CHECK(f.nodes.back().output == "logits");
}

TEST_CASE("TensorFlow's \"same\" padding is written out for images of one size and left to the engine for any") {
  constexpr int same = -1;
  recorder r;
  feature_map<recorder> x(r, 1, {2, 8, 7}), y(r, 1, {4, 4, 4}), z(r, 1, {4, 4, 4});
  const float mean[2] = {0, 0}, deviation[2] = {1, 1}, weights[72] = {};
  normalize_forward(r, const_image_view(nullptr, {1, 8, 7, 2}), mean, deviation, x);
  conv_forward(r, conv_spec{2, 4, 3, 2, same, 1}, x, weights, y);
  auto clip = r.steps()[0];
  clip.what = recorder::operation::relu6;
  r.record(clip, y, z);
  const detail::onnx_tensors tensors{{weights, {"conv.weight", {4, 2, 3, 3}, std::vector<float>(72)}}};
  const onnx_file fixed(detail::onnx_graph(r.steps(), r.value_at(z.view().data), tensors, true, false));
  // 8 rows: 3 * 2 + 3 - 8 = 1 zero, behind; 7 columns: 2 zeros, one on each side.
  CHECK(fixed.node("conv").ints("pads") == std::vector<std::int64_t>{0, 1, 1, 1});
  const onnx_file any(detail::onnx_graph(r.steps(), r.value_at(z.view().data), tensors, true, true));
  CHECK(!any.node("conv").attributes.contains("pads"));
  CHECK(the(any.node("conv").attributes.at("auto_pad"), 4).bytes == "SAME_UPPER");
  CHECK(any.node("relu6").inputs == strings{"conv", "zero", "six"});
  CHECK((any.node("relu6").type == "Clip" && any.constants.at("six").floats() == std::vector<float>{6}));
  CHECK(any.constants.at("six").shape.empty());
}

TEST_CASE("Weights that two convolutions share are not folded into either") {
  recorder r;
  feature_map<recorder> x(r, 1, {1, 4, 4}), y(r, 1, {1, 4, 4}), z(r, 1, {1, 4, 4});
  const float one[1] = {1}, zero[1] = {0}, weight[1] = {2}, scale[1] = {3};
  normalize_forward(r, const_image_view(nullptr, {1, 4, 4, 1}), zero, one, x);
  const auto norm = [&](feature_map<recorder>& v) {
    norm_forward(r, activation::identity, v, norm_parameters{zero, one, scale, zero, 0.f},
                 feature_view<const recorder::element>(), v);
  };
  conv_forward(r, conv_spec{1, 1}, x, weight, y);
  norm(y);
  detail::onnx_tensors tensors;
  for (const float* p : {one, zero, weight, scale}) tensors[p] = {"t" + std::to_string(tensors.size()), {1}, {*p}};
  CHECK(onnx_file(detail::onnx_graph(r.steps(), r.value_at(y.view().data), tensors, true, true))
            .count("BatchNormalization") == 0);
  conv_forward(r, conv_spec{1, 1}, y, weight, z);
  norm(z);
  CHECK(onnx_file(detail::onnx_graph(r.steps(), r.value_at(z.view().data), tensors, true, true))
            .count("BatchNormalization") == 2);
}

TEST_CASE("Options out of range and files that cannot be are refused; what was there stays") {
  const temporary file;
  cpu d(1);
  grey m(d);
  std::ofstream(file.path) << "old";
  const auto refused = [&](const onnx_options& o, const char* text) {
    CHECK_THROWS_WITH_AS(export_onnx(m, file.path, o), text, argument_error);
  };
  refused({.domain = domains<2>::auxiliary(0)}, "domain out of range: 1 of 1");
  refused({.opset = 12}, "export_onnx: opset 12 is not one of 13 to 22");
  refused({.opset = 23}, "export_onnx: opset 23 is not one of 13 to 22");
  refused({.height = 28}, "export_onnx: images of 28x0; both must be positive, or both 0 (any)");
  const float good = std::exchange(m[m.table().front()][0], NAN);
  CHECK_THROWS_WITH_AS(export_onnx(m, file.path), doctest::Contains(" holds a NaN or an infinity"), numeric_error);
  m[m.table().front()][0] = good;
  refused({.height = -1, .width = 4}, "export_onnx: images of -1x4; both must be positive, or both 0 (any)");
  model<architecture<normalize<mnist_statistics>, convolution<4, 3>>, domains<1>, cpu> open(d);
  CHECK_THROWS_WITH_AS(export_onnx(open, file.path, {.height = 8, .width = 8}),
                       "model: the network ends in 8x8 feature maps, not in one logit a class", argument_error);
  CHECK(std::filesystem::file_size(file.path) == 3);
  CHECK_THROWS_AS(export_onnx(m, "/nonexistent/x.onnx"), file_error);
  CHECK_NOTHROW(detail::check_onnx_size("f", 2147483647));
  CHECK_THROWS_WITH_AS(detail::check_onnx_size("f", 2147483648),
                       "f: an ONNX file holds less than 2 GiB, the network takes 2147483648 bytes", file_error);
  export_onnx(m, file.path, {.opset = 22});
  const onnx_file f(file.path);
  CHECK((f.opset == 22 && f.ir_version == 10 && f.image_shape[1] == "1"));
  CHECK(f.constants.at("images.mean").floats() == std::vector<float>{0.2860f});
}

}  // namespace onnx_test
