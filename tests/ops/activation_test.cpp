#include <advprop/ops/cpu.hpp>

#include <array>
#include <cmath>

#include <doctest/doctest.h>

#include "each_set.hpp"
#include "maps.hpp"

using namespace advprop;
using maps::map;
namespace lanes = advprop::ADVPROP_BASELINE::detail;

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

TEST_CASE("The exponential of eight lanes is within 2 ulp, saturates outside [-87, 87] and keeps a NaN") {
  double worst = 0;
  for (int i = -87000; i < 87000; i += 8) {
    float e[8], x[8];
    for (int l = 0; l < 8; ++l) x[l] = static_cast<float>(i + l) / 1000;
    lanes::exp(lanes::f8(x)).store(e);
    for (int l = 0; l < 8; ++l) {
      const double exact = std::exp(double(x[l]));
      const float rounded = static_cast<float>(exact);
      worst = std::max(worst, std::abs(e[l] - exact) / double(std::nextafter(rounded, HUGE_VALF) - rounded));
    }
  }
  CHECK(worst < 2);
  MESSAGE("largest error: " << worst << " ulp");
  const float x[8] = {-1e30f, -INFINITY, -88, 87, 1e30f, INFINITY, NAN, 0};
  float e[8];
  lanes::exp(lanes::f8(x)).store(e);
  for (int l = 0; l < 3; ++l) CHECK((e[l] >= 0 && e[l] < 2e-38f));
  for (int l = 3; l < 6; ++l) CHECK((e[l] > 6e37f && e[l] < INFINITY));
  CHECK(std::isnan(e[6]));
  CHECK(e[7] == 1);
}

TEST_CASE("The lanes' sigmoid is right at both ends, at infinity and for a NaN") {
  const float x[8] = {-INFINITY, -200, -50, -1, 0, 40, INFINITY, NAN};
  float y[8];
  lanes::logistic(lanes::f8(x)).store(y);
  for (int l = 1; l < 6; ++l) CHECK(y[l] == doctest::Approx(1 / (1 + std::exp(-double(x[l])))).epsilon(1e-6));
  CHECK((y[0] >= 0 && y[0] < 2e-38f));
  CHECK(y[6] == 1);
  CHECK(std::isnan(y[7]));
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
