#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include <advprop/models/efficientnet.hpp>
#include <advprop/models/model.hpp>
#include <advprop/ops/cpu.hpp>

#include "harness.hpp"

namespace efficientnet_test {

using namespace advprop;

// The paper's networks with 1,000 classes (timm counts the same).
static_assert(parameters<efficientnet_b0<1000>> == 5'288'548);
static_assert(parameters<efficientnet_b1<1000>> == 7'794'184);
static_assert(parameters<efficientnet_b2<1000>> == 9'109'994);
static_assert(parameters<efficientnet_b3<1000>> == 12'233'232);
static_assert(parameters<efficientnet_b4<1000>> == 19'341'616);
static_assert(parameters<efficientnet_b5<1000>> == 30'389'784);
static_assert(parameters<efficientnet_b6<1000>> == 43'040'704);
static_assert(parameters<efficientnet_b7<1000>> == 66'347'960);
static_assert(parameters<efficientnet_b8<1000>> == 87'413'142);
static_assert(parameters<efficientnet_lite0<1000>> == 4'652'008);
static_assert(parameters<efficientnet_lite1<1000>> == 5'416'680);
static_assert(parameters<efficientnet_lite2<1000>> == 6'092'072);
static_assert(parameters<efficientnet_b0<1000, efficientnet::pytorch_style>> == 5'288'548);

namespace {

// A size of one's own; ten classes.
struct tiny {
  static constexpr double width = 0.5, depth = 0.5;
  static constexpr int resolution = 96;
  static constexpr float dropout = 0.1f;
};
using small_network = compound_efficientnet<tiny, 10>;

}  // namespace

// The authors' rounding: to eighths, never below nine tenths; depth rounds up.
static_assert(efficientnet::scaled_width(32, 1.1) == 32 && efficientnet::scaled_width(112, 1.2) == 136);
static_assert(efficientnet::scaled_width(16, 0.5) == 8 &&
              efficientnet::scaled_width(24, 0.5) == 16);  // 12 is as near to 8
static_assert(efficientnet::scaled_depth(4, 3.1) == 13 && efficientnet::scaled_depth(1, 1.0) == 1);
static_assert(efficientnet::scaled_depth(3, 1.2) == 4);

// TensorFlow's padding keeps odd sizes' last pixels, PyTorch's too; they differ in where zeros go, not in sizes.
static_assert(efficientnet_b0<10>::resolution == 224 && efficientnet_b7<10>::resolution == 600);
static_assert(small_network::resolution == 96);

TEST_CASE("EfficientNet starts as its authors' does") {
  cpu device(1);
  model<small_network, domains<2>, cpu> net(device, seed{3});
  CHECK(net.table().size() > 100);
  bool seen[3] = {};
  for (const parameter& p : net.table()) {
    double squares = 0, largest = 0;
    for (float v : net[p]) {
      squares += static_cast<double>(v) * v;
      largest = std::max(largest, std::fabs(static_cast<double>(v)));
    }
    const double deviation = std::sqrt(squares / static_cast<double>(p.count));
    if (p.name.ends_with(".bias")) {  // squeeze-and-excite, norms and the classifier
      CHECK(largest == 0);
      seen[0] = true;
    } else if (p.name.ends_with("conv_dw.weight") && p.count > 500) {  // fan-out of one filter: kernel x kernel
      CHECK(deviation == doctest::Approx(std::sqrt(2.0 / static_cast<double>(p.shape[2] * p.shape[3]))).epsilon(0.15));
      seen[1] = true;
    } else if (p.name == "classifier.weight") {
      CHECK(largest <= 1 / std::sqrt(10.0));
      CHECK(largest > 0.95 / std::sqrt(10.0));
      seen[2] = true;
    }
  }
  CHECK((seen[0] && seen[1] && seen[2]));
}

TEST_CASE("EfficientNet leaves blocks out by the authors' rate unless told otherwise") {
  cpu device(1);
  model<small_network, domains<1>, cpu> net(device);
  CHECK(net.stochastic_depth().rate == 0.2f);
  CHECK(net.stochastic_depth().blocks == 10);  // 1, 1, 1, 2, 2, 2 and 1
}

TEST_CASE("EfficientNet takes images of any size, and trains") {
  cpu device(1);
  model<small_network, domains<2>, cpu> net(device, seed{3});
  for (int extent : {33, 64}) {
    const auto x = harness::images(2, extent, 3);
    CHECK(net.forward(x.view(), pass::evaluate()).image() == shape{10, 1, 1});
  }
  // Every parameter learns from one pass through its domain; shifts in front of a batch norm of batch statistics alone
  // have nothing to learn.
  const auto x = harness::images(4, 64, 3);
  const auto y = harness::labels(4, 10);
  auto logits = net.forward(x.view(), pass::train(main_domain), wrt::parameters);
  feature_map<cpu> dlogits(device, 4, logits.image());
  cross_entropy(device, logits, y.view(), 0, 1, dlogits);
  net.backward<wrt::parameters>(std::move(dlogits));
  for (const parameter& p : net.table()) {
    if (p.role == role::mean || p.role == role::variance) continue;
    double squares = 0;
    for (float v : net.gradient(p)) squares += static_cast<double>(v) * v;
    CAPTURE(p.name);
    CHECK((squares > 0) == (p.set == 0));
  }
}

}  // namespace efficientnet_test
