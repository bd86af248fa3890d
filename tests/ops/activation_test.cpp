#include <advprop/ops/cpu.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include <doctest/doctest.h>

#include "each_set.hpp"
#include "maps.hpp"

namespace activation_test {

using namespace advprop;
using maps::map;

namespace {
constexpr std::array<activation, 4> activations{activation::identity, activation::relu, activation::silu,
                                                activation::relu6};
double value(activation a, double v) {
  switch (a) {
    case activation::relu:
      return v < 0 ? 0 : v;
    case activation::silu:
      return v / (1 + std::exp(-v));
    case activation::relu6:
      return v < 0 ? 0 : v > 6 ? 6 : v;
    default:
      return v;
  }
}
}  // namespace

// 1 / (1 + e^-x) shows what the kernels' exponential is worth.
TEST_EACH_SET("The sigmoid is within 3 ulp from -87 to 87") {
  cpu d(1, tested);
  map x(1, 8, 174, 125), y = x.like();
  for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] = static_cast<float>(i) / 1000 - 87;
  sigmoid_forward(d, x, y);
  double worst = 0;
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const double exact = 1 / (1 + std::exp(-double(x.values[i])));
    const float rounded = static_cast<float>(exact);
    worst = std::max(worst, std::abs(y.values[i] - exact) / double(rounded - std::nextafter(rounded, 0.f)));
  }
  CHECK(worst < 3);
  MESSAGE("largest error: " << worst << " ulp");
}

TEST_EACH_SET("The sigmoid is right at both ends, at infinity and for a NaN") {
  cpu d(1, tested);
  map x(1, 8, 1, 1), y = x.like();
  const float values[8] = {-INFINITY, -200, -50, -1, 0, 40, INFINITY, NAN};
  std::copy_n(values, 8, x.values.begin());
  sigmoid_forward(d, x, y);
  for (int c = 2; c < 6; ++c) CHECK(y(0, c) == doctest::Approx(1 / (1 + std::exp(-double(values[c])))).epsilon(1e-6));
  for (int c = 0; c < 2; ++c) CHECK((y(0, c) >= 0 && y(0, c) < 2e-38f));
  CHECK(y(0, 6) == 1);
  CHECK(std::isnan(y(0, 7)));
}

TEST_EACH_SET("Activations and their gradients equal the formula and its central differences, in place and not") {
  cpu d(2, tested);
  for (int channels : {5, 8, 13})
    for (activation a : activations) {
      CAPTURE(channels);
      CAPTURE(int(a));
      const map x = map::random(3, channels, 9, 7, 1, 4.f), dy = map::random(3, channels, 9, 7, 2);
      map y = x.like(), dx = x.like();
      activation_forward(d, a, x, y);
      CHECK(maps::error(y, [&](int n, int c, int h, int w) { return value(a, x(n, c, h, w)); }) < 1e-6);
      CHECK(y.pads_are_zero());
      activation_backward(d, a, x, dy, dx);
      CHECK(maps::error(dx, [&](int n, int c, int h, int w) {
              const double v = x(n, c, h, w), s = 1e-6;
              return dy(n, c, h, w) * (value(a, v + s) - value(a, v - s)) / (2 * s);
            }) < 2e-6);
      CHECK(dx.pads_are_zero());

      map over_x = x, over_dy = dy;
      activation_forward(d, a, over_x, over_x);
      CHECK(maps::same_bits(over_x, y));
      activation_backward(d, a, x, over_dy, over_dy);
      CHECK(maps::same_bits(over_dy, dx));
      if (slope_from_output(a)) {
        map from_y = x.like();
        activation_backward(d, a, y, dy, from_y);
        CHECK(maps::same_bits(from_y, dx));
      }
    }
}

TEST_EACH_SET("ReLU6 lets no gradient through at 0 and at 6, as PyTorch's") {
  cpu d(1, tested);
  map x = map::zero(1, 5, 1, 1), dy = x, dx = x;
  const float values[] = {0, 6, std::nextafter(0.f, 1.f), std::nextafter(6.f, 0.f), 7};
  for (int c = 0; c < 5; ++c) x(0, c) = values[c], dy(0, c) = 1;
  activation_backward(d, activation::relu6, x, dy, dx);
  for (int c = 0; c < 5; ++c) CHECK(dx(0, c) == (c == 2 || c == 3 ? 1 : 0));
}

TEST_EACH_SET("Activations handle more than one chunk and keep a NaN") {
  map x = map::random(8, 16, 33, 32, 1);
  x(5, 9, 20, 20) = NAN;
  for (activation a : activations) {
    cpu one(1, tested), three(3, tested);
    map y = x.like(), z = x.like();
    activation_forward(one, a, x, y);
    activation_forward(three, a, x, z);
    CHECK(maps::same_bits(y, z));
    CHECK(y(7, 15, 32, 31) == doctest::Approx(value(a, x(7, 15, 32, 31))));
    CHECK(std::isnan(y(5, 9, 20, 20)));
  }
}

}  // namespace activation_test
