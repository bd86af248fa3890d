#include <advprop/ops/cpu.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "each_set.hpp"
#include "maps.hpp"

namespace pool_test {

using namespace advprop;
using maps::map;

namespace {

constexpr std::array<pool_spec, 7> specs{{{2, 2, 0}, {3, 2, 1}, {3, 1, 1}, {3, 3, 0}, {2, 3, 1}, {5, 2, 2}, {1, 1, 0}}};

struct window {
  double sum = 0, maximum = -std::numeric_limits<double>::infinity();
  int h = 0, w = 0;  // of the first maximum
};
window look(const pool_spec& s, const map& x, int n, int c, int i, int j) {
  window r;
  for (int h = i * s.stride - s.padding; h < i * s.stride - s.padding + s.kernel; ++h)
    for (int w = j * s.stride - s.padding; w < j * s.stride - s.padding + s.kernel; ++w) {
      if (h < 0 || w < 0 || h >= x.height || w >= x.width) continue;
      r.sum += x(n, c, h, w);
      if (x(n, c, h, w) > r.maximum) r.maximum = x(n, c, h, w), r.h = h, r.w = w;
    }
  return r;
}

map pooled(const pool_spec& s, const map& x) { return {x.batch, x.channels, s.output(x.height), s.output(x.width)}; }

/// Small integers: many ties, and sums without rounding.
map integers(int n, int c, int h, int w, std::uint64_t seed) {
  map m = map::random(n, c, h, w, seed, 2.f, -3.f);
  m.each([](float& v) { v = std::round(v); });
  return m;
}

}  // namespace

TEST_EACH_SET("Max pooling takes the maximum and sends the gradient to the first one") {
  cpu d(2, tested);
  for (const pool_spec& s : specs)
    for (int channels : {5, 8, 13}) {
      CAPTURE(s.kernel);
      CAPTURE(s.stride);
      CAPTURE(channels);
      const map x = integers(3, channels, 9, 8, 1);  // mostly negative: a zero taken for padding would show
      map y = pooled(s, x), dx = x.like();
      max_pool_forward(d, s, x, y);
      CHECK(maps::error(y, [&](int n, int c, int i, int j) { return look(s, x, n, c, i, j).maximum; }) == 0);
      CHECK(y.pads_are_zero());

      const map dy = integers(3, channels, y.height, y.width, 2);
      max_pool_backward(d, s, x, dy, dx);
      map expected = map::zero(3, channels, 9, 8);
      dy.each_index([&](int n, int c, int i, int j) {
        const window w = look(s, x, n, c, i, j);
        expected(n, c, w.h, w.w) += dy(n, c, i, j);
      });
      CHECK(maps::error(dx, [&](int n, int c, int h, int w) { return expected(n, c, h, w); }) == 0);
      CHECK(dx.pads_are_zero());
    }
}

TEST_EACH_SET("The gradient of max pooling equals central differences where the maximum is unique") {
  cpu d(2, tested);
  const pool_spec s{3, 2, 1};
  map x = map::random(2, 5, 7, 6, 1);
  const map dy = map::random(2, 5, 4, 3, 2);
  map y = pooled(s, x), dx = x.like();
  max_pool_backward(d, s, x, dy, dx);
  const auto loss = [&] {
    max_pool_forward(d, s, x, y);
    return maps::dot(y, dy);
  };
  CHECK(maps::error(dx, [&](int n, int c, int h, int w) { return maps::slope(x(n, c, h, w), 1e-4f, loss); }) < 1e-4);
}

TEST_EACH_SET("Max pooling gives NaN where a window holds one and sends the gradient there") {
  cpu d(1, tested);
  map x = map::random(1, 3, 4, 4, 1), y(1, 3, 2, 2), dx = x.like(), dy = map::random(1, 3, 2, 2, 2);
  x(0, 1, 0, 1) = NAN;
  max_pool_forward(d, {2, 2, 0}, x, y);
  y.each_index([&](int n, int c, int h, int w) { CHECK(std::isnan(y(n, c, h, w)) == (c == 1 && h == 0 && w == 0)); });
  max_pool_backward(d, {2, 2, 0}, x, dy, dx);
  CHECK(dx(0, 1, 0, 1) == dy(0, 1, 0, 0));
  CHECK(dx(0, 1, 0, 0) == 0);
}

TEST_EACH_SET("Average pooling divides by the whole kernel, and its gradient equals central differences") {
  cpu d(2, tested);
  for (const pool_spec& s : specs)
    for (int channels : {5, 8, 13}) {
      CAPTURE(s.kernel);
      CAPTURE(channels);
      map x = map::random(2, channels, 7, 6, 1);
      map y = pooled(s, x), dx = x.like();
      average_pool_forward(d, s, x, y);
      CHECK(maps::error(y, [&](int n, int c, int i, int j) {
              return look(s, x, n, c, i, j).sum / (s.kernel * s.kernel);
            }) < 1e-6);
      CHECK(y.pads_are_zero());

      const map dy = map::random(2, channels, y.height, y.width, 2);
      average_pool_backward(d, s, dy, dx);
      CHECK(dx.pads_are_zero());
      const auto loss = [&] {
        average_pool_forward(d, s, x, y);
        return maps::dot(y, dy);
      };
      CHECK(maps::error(dx, [&](int n, int c, int h, int w) { return maps::slope(x(n, c, h, w), 0.5f, loss); }) < 1e-5);
    }
}

TEST_EACH_SET("Global average pooling is the mean of the pixels, and its gradient spreads evenly") {
  cpu d(2, tested);
  for (int channels : {5, 8, 13})
    for (const auto& [height, width] : {std::array{7, 7}, std::array{1, 1}, std::array{30, 31}}) {
      const map x = map::random(3, channels, height, width, 1, 1.f, 5.f), dy = map::random(3, channels, 1, 1, 2);
      map y = dy.like(), dx = x.like();
      global_average_pool_forward(d, x, y);
      CHECK(maps::error(y, [&, size = double(height) * width, rows = height, columns = width](int n, int c, int, int) {
              double sum = 0;
              for (int h = 0; h < rows; ++h)
                for (int w = 0; w < columns; ++w) sum += x(n, c, h, w);
              return sum / size;
            }) < 1e-6);
      CHECK(y.pads_are_zero());
      global_average_pool_backward(d, dy, dx);
      CHECK(maps::error(dx, [&, size = double(height) * width](int n, int c, int, int) { return dy(n, c) / size; }) <
            1e-7);
      CHECK(dx.pads_are_zero());
    }
}

}  // namespace pool_test
