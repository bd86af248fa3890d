// What EfficientNet needs of the operations, against PyTorch: tests/golden/README.md, efficientnet_layers.safetensors.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <advprop/io/safetensors.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/ops/cpu/engines.hpp>

#include "each_set.hpp"
#include "golden_file.hpp"

namespace efficientnet_golden_test {

using namespace advprop;
using maps::map;

namespace {

const maps::golden_file& file() {
  static const maps::golden_file f("efficientnet_layers.safetensors");
  return f;
}
const safetensors& golden() { return file().file; }
map load_map(const std::string& key) { return file().load_map(key); }
template <class T>
double difference(const T& mine, const std::string& key) {
  return file().difference(mine, key);
}

}  // namespace

TEST_EACH_SET("convolutions with TensorFlow's padding equal PyTorch's of an image padded by hand, by every engine") {
  cpu d(2, tested);
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
      gemm ? conv_gemm_backward_input(d, spec, dy, weight.data(), dx)
           : conv_backward_input(d, spec, dy, weight.data(), dx);
      (gemm ? conv_gemm_backward_weight : conv_backward_weight)(d, spec, x, dy, dw.data());
      CHECK(difference(y, key + "y") < 3e-6);
      CHECK(difference(dx, key + "dx") < 3e-6);
      CHECK(difference(dw, key + "dweight") < 3e-6);
    }
  }
}

TEST_EACH_SET("ReLU6 equals PyTorch's, with inputs of exactly 0 and 6") {
  cpu d(2, tested);
  const map x = load_map("relu6.x"), dy = load_map("relu6.dy");
  map y = dy.like(), dx = x.like(), from_y = x.like();
  activation_forward(d, activation::relu6, x, y);
  activation_backward(d, activation::relu6, x, dy, dx);
  activation_backward(d, activation::relu6, y, dy, from_y);
  CHECK(difference(y, "relu6.y") == 0);
  CHECK(difference(dx, "relu6.dx") == 0);
  CHECK(difference(from_y, "relu6.dx") == 0);
}

}  // namespace efficientnet_golden_test
