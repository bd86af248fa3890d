// What EfficientNet needs of the operations, against PyTorch: tests/golden/README.md, efficientnet_layers.safetensors.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <advprop/io/safetensors.hpp>
#include <advprop/ops/cpu.hpp>

#include "maps.hpp"

using namespace advprop;
using maps::map;

namespace {

const safetensors& golden() {
  static const auto file = safetensors::read(ADVPROP_TEST_SOURCE "/golden/efficientnet_layers.safetensors");
  return file;
}

map load_map(const std::string& key) {
  const auto& shape = golden().at(key).shape;
  const auto extent = [&](std::size_t i) { return static_cast<int>(shape[i]); };
  map m = map::zero(extent(0), extent(1), extent(2), extent(3));
  const auto values = golden().floats(key);
  std::size_t i = 0;
  m.each([&](float& v) { v = values[i++]; });
  return m;
}

/// Largest difference, in units of the largest golden number.
double difference(const std::vector<float>& mine, const std::string& key) {
  const auto truth = golden().floats(key);
  REQUIRE(mine.size() == truth.size());
  double worst = 0, largest = 1e-30;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double e = std::fabs(static_cast<double>(mine[i]) - truth[i]);
    worst = e <= worst ? worst : std::isnan(e) ? HUGE_VAL : e;
    largest = std::max(largest, std::fabs(static_cast<double>(truth[i])));
  }
  return worst / largest;
}
double difference(map mine, const std::string& key) {
  CHECK(mine.pads_are_zero());
  std::vector<float> v;
  mine.each([&](float& x) { v.push_back(x); });
  return difference(v, key);
}

}  // namespace

TEST_CASE("convolutions with TensorFlow's padding equal PyTorch's of an image padded by hand, by every engine") {
  cpu d(2);
  for (const char* name :
       {"stem", "dense5", "point", "depthwise3", "depthwise5", "depthwise5_stride1", "depthwise5_tiny"}) {
    CAPTURE(name);
    const std::string key = std::string("same.") + name + ".";
    const auto s = golden().floats(key + "spec");
    const auto n = [&](std::size_t i) { return static_cast<int>(s[i]); };
    REQUIRE(n(4) == same_padding);
    const conv_spec spec{n(0), n(1), n(2), n(3), n(4), n(5)};
    const map x = load_map(key + "x"), dy = load_map(key + "dy");
    const auto weight = golden().floats(key + "weight");
    CHECK(spec.output(x.height) == dy.height);
    CHECK(spec.output(x.width) == dy.width);
    for (const bool gemm : {false, true}) {
      map y = dy.like(), dx = x.like();
      std::vector<float> dw(weight.size());
      (gemm ? conv_gemm_forward : conv_forward)(d, spec, x, weight.data(), y);
      (gemm ? conv_gemm_backward_input : conv_backward_input)(d, spec, dy, weight.data(), dx);
      (gemm ? conv_gemm_backward_weight : conv_backward_weight)(d, spec, x, dy, dw.data());
      CHECK(difference(y, key + "y") < 3e-6);
      CHECK(difference(dx, key + "dx") < 3e-6);
      CHECK(difference(dw, key + "dweight") < 3e-6);
    }
  }
}

TEST_CASE("ReLU6 equals PyTorch's, with inputs of exactly 0 and 6") {
  cpu d(2);
  const map x = load_map("relu6.x"), dy = load_map("relu6.dy");
  map y = dy.like(), dx = x.like(), from_y = x.like();
  activation_forward(d, activation::relu6, x, y);
  activation_backward(d, activation::relu6, x, dy, dx);
  activation_backward(d, activation::relu6, y, dy, from_y);
  CHECK(difference(y, "relu6.y") == 0);
  CHECK(difference(dx, "relu6.dx") == 0);
  CHECK(difference(from_y, "relu6.dx") == 0);
}
