#include <advprop/ops/cpu.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/tensor.hpp>

#include "each_set.hpp"
#include "maps.hpp"

namespace elementwise_test {

using namespace advprop;
using maps::map;

namespace {

tensor<float, 4> images(int n, int h, int w, int c, std::uint64_t seed) {
  tensor<float, 4> t({n, h, w, c});
  advprop::random_stream r(seed);
  for (float& v : t) v = r.normal();
  return t;
}
bool same(const tensor<float, 4>& a, const tensor<float, 4>& b) {
  return maps::same_bits(std::vector<float>(a.begin(), a.end()), std::vector<float>(b.begin(), b.end()));
}

/// Runs f(device) on one thread and on three; both results must have the same bits.
template <class F>
auto on_any_threads(F f) {
  cpu one(1, tested), three(3, tested);
  auto a = f(one), b = f(three);
  CHECK(maps::same_bits(std::vector<float>(a.begin(), a.end()), std::vector<float>(b.begin(), b.end())));
  return a;
}

}  // namespace

TEST_EACH_SET("The input stage normalises NHWC images into channel blocks, and its gradient leads back") {
  cpu d(2, tested);
  for (int channels : {1, 3, 5, 8, 13}) {
    tensor<float, 4> x = images(3, 4, 5, channels, 1);
    const auto mean = maps::normals(channels, 2), deviation = maps::normals(channels, 3, 0.1f, 0.5f);
    map y(3, channels, 4, 5);
    normalize_forward(d, x, mean.data(), deviation.data(), y);
    CHECK(maps::error(y, [&](int n, int c, int h, int w) {
            return double((x(n, h, w, c) - mean[std::size_t(c)]) / deviation[std::size_t(c)]);
          }) == 0);
    CHECK(y.pads_are_zero());

    const map dy = map::random(3, channels, 4, 5, 4);
    tensor<float, 4> dx = images(3, 4, 5, channels, 5);
    normalize_backward(d, dy, deviation.data(), dx);
    const auto loss = [&] {
      normalize_forward(d, x, mean.data(), deviation.data(), y);
      return maps::dot(y, dy);
    };
    dy.each_index([&](int n, int c, int h, int w) {
      CHECK(dx(n, h, w, c) == doctest::Approx(maps::slope(x(n, h, w, c), 0.25f, loss)).epsilon(1e-5));
    });
  }
}

TEST_EACH_SET("The input stage reads nothing past its images, and no pixel sees its neighbours") {
  cpu d(1, tested);
  for (int channels : {1, 3, 5, 8, 13})
    for (int extent : {1, 2, 3}) {
      tensor<float, 4> x = images(2, extent, extent, channels, 1);
      std::vector<float> exact(x.data(), x.data() + x.size());  // the sanitizer watches its end
      const auto mean = maps::normals(channels, 2), deviation = maps::normals(channels, 3, 0.1f, 0.5f);
      for (int broken = 0; broken < 2 * extent * extent; ++broken) {
        auto copy = exact;
        copy[std::size_t(broken * channels)] = NAN;
        map y(2, channels, extent, extent);
        normalize_forward(d, const_image_view(copy.data(), {2, extent, extent, channels}), mean.data(),
                          deviation.data(), y);
        int nans = 0;
        y.each([&](float& v) { nans += std::isnan(v); });
        CHECK(nans == 1);
        CHECK(y.pads_are_zero());
      }
    }
}

TEST_EACH_SET("Adding a feature map and adding a bias") {
  cpu d(2, tested);
  for (int channels : {5, 8, 13}) {
    const map a = map::random(3, channels, 4, 5, 1), y0 = map::random(3, channels, 4, 5, 2);
    map y = y0;
    add(d, a, y);
    CHECK(maps::error(y, [&](int n, int c, int h, int w) { return double(a(n, c, h, w) + y0(n, c, h, w)); }) == 0);
    CHECK(y.pads_are_zero());

    const auto b = maps::normals(channels, 3);
    y = y0;
    bias_forward(d, b.data(), y);
    CHECK(maps::error(y, [&](int n, int c, int h, int w) { return double(y0(n, c, h, w) + b[std::size_t(c)]); }) == 0);
    CHECK(y.pads_are_zero());

    const auto db = on_any_threads([&](cpu& e) {
      auto v = maps::normals(channels, 4);
      bias_backward(e, a, v.data());
      return v;
    });
    auto expected = std::vector<double>(std::size_t(channels));
    a.each_index([&](int n, int c, int h, int w) { expected[std::size_t(c)] += double(a(n, c, h, w)); });
    const auto before = maps::normals(channels, 4);
    for (std::size_t c = 0; c < db.size(); ++c)
      CHECK(db[c] == doctest::Approx(double(before[c]) + expected[c]).epsilon(1e-5));
  }
}

TEST_EACH_SET(
    "Option A's shortcut keeps every stride-th pixel between zero channels, and its gradient is the adjoint") {
  cpu d(2, tested);
  struct shape_case {
    int in, out, stride, before, height, width;
  };
  for (const auto& s : {shape_case{16, 32, 2, 8, 8, 8}, shape_case{5, 13, 2, 4, 7, 6}, shape_case{8, 8, 1, 0, 3, 3},
                        shape_case{13, 20, 3, 7, 7, 8}}) {
    CAPTURE(s.in);
    map x = map::random(2, s.in, s.height, s.width, 1), dx = x.like();
    map y(2, s.out, (s.height - 1) / s.stride + 1, (s.width - 1) / s.stride + 1);
    subsample_forward(d, s.stride, s.before, x, y);
    CHECK(maps::error(y, [&](int n, int c, int h, int w) {
            const int k = c - s.before;
            return k < 0 || k >= s.in ? 0.0 : double(x(n, k, h * s.stride, w * s.stride));
          }) == 0);
    CHECK(y.pads_are_zero());
    const map dy = map::random(2, s.out, y.height, y.width, 2);
    subsample_backward(d, s.stride, s.before, dy, dx);
    CHECK(dx.pads_are_zero());
    const auto loss = [&] {
      subsample_forward(d, s.stride, s.before, x, y);
      return maps::dot(y, dy);
    };
    CHECK(maps::error(dx, [&](int n, int c, int h, int w) { return maps::slope(x(n, c, h, w), 0.5f, loss); }) < 1e-6);
  }
}

TEST_EACH_SET("A gate scales every channel of every image, and its gradients equal central differences") {
  cpu d(2, tested);
  for (int channels : {5, 8, 13}) {
    map x = map::random(3, channels, 4, 5, 1), gate = map::random(3, channels, 1, 1, 2);
    const map dy = map::random(3, channels, 4, 5, 3);
    map y = x.like(), dx = x.like(), dgate = gate.like();
    scale_forward(d, x, gate, y);
    CHECK(maps::error(y, [&](int n, int c, int h, int w) { return double(x(n, c, h, w) * gate(n, c)); }) == 0);
    CHECK(y.pads_are_zero());
    map over = x;
    scale_forward(d, over, gate, over);
    CHECK(maps::same_bits(over, y));

    scale_backward(d, gate, dy, {}, dx);
    scale_backward_gate(d, x, dy, dgate);
    CHECK(dx.pads_are_zero());
    CHECK(dgate.pads_are_zero());
    const auto loss = [&] {
      scale_forward(d, x, gate, y);
      return maps::dot(y, dy);
    };
    CHECK(maps::error(dx, [&](int n, int c, int h, int w) { return maps::slope(x(n, c, h, w), 0.5f, loss); }) < 1e-5);
    CHECK(maps::error(dgate, [&](int n, int c, int, int) { return maps::slope(gate(n, c), 0.5f, loss); }) < 1e-5);
    map over_dy = dy;
    scale_backward(d, gate, over_dy, {}, over_dy);
    CHECK(maps::same_bits(over_dy, dx));
  }
}

TEST_EACH_SET("The gradient that comes back through the mean is added where the gate is applied, on every shape") {
  for (const auto& [batch, channels, height, width] :
       {std::array{3, 5, 3, 3}, std::array{1, 13, 1, 1}, std::array{2, 8, 7, 7}, std::array{1, 20, 40, 41}}) {
    const map x = map::random(batch, channels, height, width, 1), dy = map::random(batch, channels, height, width, 3),
              gate = map::random(batch, channels, 1, 1, 2), dmean = map::random(batch, channels, 1, 1, 4);
    const int rows = height, columns = width;  // clang 14 captures no structured bindings
    map dx = x.like();
    dx.values = on_any_threads([&](cpu& d) {
      map m = dy;
      scale_backward(d, gate, m, dmean, m);
      return m.values;
    });
    CHECK(maps::error(dx, [&](int n, int c, int h, int w) {
            return double(dy(n, c, h, w)) * double(gate(n, c)) + double(dmean(n, c)) / (rows * columns);
          }) < 1e-6);
    CHECK(dx.pads_are_zero());
    map dgate = gate.like();
    dgate.values = on_any_threads([&](cpu& d) {
      map m = gate.like();
      scale_backward_gate(d, x, dy, m);
      return m.values;
    });
    CHECK(maps::error(dgate, [&](int n, int c, int, int) {
            double sum = 0;
            for (int h = 0; h < rows; ++h)
              for (int w = 0; w < columns; ++w) sum += double(x(n, c, h, w)) * double(dy(n, c, h, w));
            return sum;
          }) < 1e-5);
    CHECK(dgate.pads_are_zero());
  }
}

TEST_EACH_SET("The sigmoid keeps pad lanes at zero, and its gradient equals central differences") {
  cpu d(2, tested);
  for (int channels : {5, 8, 13}) {
    const map x = map::random(3, channels, 2, 2, 1, 4.f), dy = map::random(3, channels, 2, 2, 2);
    map y = x.like(), dx = x.like();
    const auto value = [](double v) { return 1 / (1 + std::exp(-v)); };
    sigmoid_forward(d, x, y);
    CHECK(maps::error(y, [&](int n, int c, int h, int w) { return value(x(n, c, h, w)); }) < 3e-7);
    CHECK(y.pads_are_zero());
    sigmoid_backward(d, y, dy, dx);
    CHECK(maps::error(dx, [&](int n, int c, int h, int w) {
            const double v = x(n, c, h, w);
            return dy(n, c, h, w) * (value(v + 1e-5) - value(v - 1e-5)) / 2e-5;
          }) < 1e-6);
    CHECK(dx.pads_are_zero());
    map over_x = x, over_dy = dy;
    sigmoid_forward(d, over_x, over_x);
    CHECK(maps::same_bits(over_x, y));
    sigmoid_backward(d, y, over_dy, over_dy);
    CHECK(maps::same_bits(over_dy, dx));
  }
}

TEST_EACH_SET("Dropout draws element i of the NCHW order at position + i, and the backward draws the same") {
  const advprop::random_stream r(11, 3, 6);  // a position that is not a multiple of four
  for (const auto& [channels, height, width] : {std::array{5, 4, 3}, std::array{13, 1, 1}, std::array{8, 5, 5}}) {
    const map x = map::random(7, channels, height, width, 1);
    const auto y = on_any_threads([&](cpu& d) {
      map m = x.like();
      dropout_forward(d, 0.3f, r, x, m);
      return m.values;
    });
    map m = x.like();
    m.values = y;
    std::uint64_t i = 0;
    int dropped = 0;
    x.each_index([&](int n, int c, int h, int w) {
      const bool keep = advprop::random_stream::to_uniform(r.at(r.position() + i++)) >= 0.3f;
      dropped += !keep;
      CHECK(m(n, c, h, w) == doctest::Approx(keep ? x(n, c, h, w) / 0.7f : 0).epsilon(1e-6));
    });
    CHECK(m.pads_are_zero());
    CHECK(dropped > 0);
    cpu d(2, tested);
    map back = x.like(), over = x, all = x.like();
    dropout_backward(d, 0.3f, r, x, back);
    CHECK(maps::same_bits(back, m));
    dropout_forward(d, 0.3f, r, over, over);
    CHECK(maps::same_bits(over, m));
    dropout_forward(d, 0.f, r, x, all);
    CHECK(maps::same_bits(all, x));
  }
  cpu d(2, tested);
  const map ones = [] {
    map m = map::zero(16, 8, 16, 16);
    m.each([](float& v) { v = 1; });
    return m;
  }();
  map y = ones.like();
  dropout_forward(d, 0.4f, r, ones, y);
  double sum = 0;
  y.each([&](float& v) { sum += v; });
  CHECK(sum / (16 * 8 * 16 * 16) == doctest::Approx(1).epsilon(0.02));  // the expectation is kept
}

TEST_EACH_SET("drop_images keeps image n, scaled up, if the number at position + n is large enough") {
  const advprop::random_stream r(11, 4, 6);
  for (const auto& [channels, height, width] : {std::array{5, 4, 3}, std::array{13, 1, 1}, std::array{8, 5, 5}}) {
    const map x = map::random(30, channels, height, width, 1);
    map m = x.like();
    m.values = on_any_threads([&](cpu& d) {
      map y = x.like();
      drop_images(d, 0.3f, r, x, y);
      return y.values;
    });
    int dropped = 0;
    x.each_index([&](int n, int c, int h, int w) {
      const auto position = r.position() + static_cast<std::uint64_t>(n);
      const bool keep = advprop::random_stream::to_uniform(r.at(position)) >= 0.3f;
      dropped += !keep;
      CHECK(m(n, c, h, w) == doctest::Approx(keep ? x(n, c, h, w) / 0.7f : 0).epsilon(1e-6));
    });
    CHECK(m.pads_are_zero());
    CHECK(dropped > 0);
    cpu d(2, tested);
    map over = x;
    drop_images(d, 0.3f, r, over, over);
    CHECK(maps::same_bits(over, m));
  }
}

TEST_EACH_SET("Filling and the squared norm cover every element, whatever the length") {
  for (int count : {0, 1, 7, 8192, 8193, 30001}) {
    CAPTURE(count);
    const auto filled = on_any_threads([&](cpu& d) {
      std::vector<float> v(std::size_t(count) + 1, 3.f);
      fill(d, -1.5f, {v.data(), std::size_t(count)});
      return v;
    });
    CHECK(std::count(filled.begin(), filled.end(), -1.5f) == count);
    CHECK(filled.back() == 3.f);

    const auto v = maps::normals(count, 5);
    double expected = 0;
    for (float e : v) expected += double(e) * double(e);
    cpu one(1, tested), three(3, tested);
    CHECK(squared_norm(one, v) == doctest::Approx(expected).epsilon(1e-12));
    CHECK(squared_norm(one, v) == squared_norm(three, v));
  }
}

TEST_EACH_SET("Transforms apply a function to every pixel, of two images and of three") {
  const auto g = images(5, 30, 31, 3, 2), b = images(5, 30, 31, 3, 3), x0 = images(5, 30, 31, 3, 1);
  const auto two = on_any_threads([&](cpu& d) {
    auto x = x0;
    transform(d, x, g, [k = 0.5f](float u, float v) { return u + k * (v > 0 ? 1.f : -1.f); });
    return x;
  });
  const auto three = on_any_threads([&](cpu& d) {
    auto x = x0;
    transform(d, x, g, b, [](float u, float v, float w) { return std::clamp(u - v, -1.f, 1.f) + 2 * w; });
    return x;
  });
  for (std::ptrdiff_t i = 0; i < x0.size(); ++i) {
    const float u = x0.data()[i], v = g.data()[i], w = b.data()[i];
    REQUIRE(two.data()[i] == u + 0.5f * (v > 0 ? 1.f : -1.f));
    REQUIRE(three.data()[i] == doctest::Approx(std::clamp(u - v, -1.f, 1.f) + 2 * w));
  }
  cpu d(2, tested);
  auto square = x0;
  transform(d, square, square, [](float u, float v) { return u * v; });  // both the same memory
  CHECK(square(4, 29, 30, 2) == x0(4, 29, 30, 2) * x0(4, 29, 30, 2));
}

TEST_EACH_SET("Loops over pixels know row, column and the numbers of their image and channel") {
  struct row_sums {
    enum { sums = 2 };
    void operator()(float v, int row, int column, const float* n, float* s) const {
      s[0] += v * n[1];
      if (row > column) s[1] += v;
    }
  };
  const auto x0 = images(5, 11, 7, 3, 1), a = images(5, 11, 7, 3, 2), numbers = images(5, 1, 3, 2, 3);
  const auto y = on_any_threads([&](cpu& d) {
    auto x = x0;
    transform_pixels(d, x, a, numbers, [](float v, float w, int row, int column, const float* n) {
      return v + 2 * w + n[0] * static_cast<float>(row) + n[1] * static_cast<float>(column);
    });
    return x;
  });
  const auto sums = on_any_threads([&](cpu& d) {
    tensor<float, 4> s({5, 1, 3, 2});
    sum_pixels(d, x0, numbers, s, row_sums());
    return s;
  });
  for (int n = 0; n < 5; ++n)
    for (int c = 0; c < 3; ++c) {
      double all = 0, below = 0;
      for (int h = 0; h < 11; ++h)
        for (int w = 0; w < 7; ++w) {
          const double v = double(x0(n, h, w, c));
          REQUIRE(double(y(n, h, w, c)) ==
                  doctest::Approx(v + 2 * double(a(n, h, w, c)) + h * double(numbers(n, 0, c, 0)) +
                                  w * double(numbers(n, 0, c, 1))));
          all += v;
          below += h > w ? v : 0;
        }
      CHECK(double(sums(n, 0, c, 0)) == doctest::Approx(all * double(numbers(n, 0, c, 1))).epsilon(1e-5));
      CHECK(double(sums(n, 0, c, 1)) == doctest::Approx(below).epsilon(1e-5));
    }
}

TEST_EACH_SET("Image norms are those of each image alone") {
  const auto x = images(7, 5, 6, 3, 1);
  const auto norms = on_any_threads([&](cpu& d) {
    std::vector<float> v(7, NAN);
    image_norms(d, x, v.data());
    return v;
  });
  for (int n = 0; n < 7; ++n) {
    double sum = 0;
    for (int i = 0; i < 90; ++i) sum += std::pow(double(x.data()[n * 90 + i]), 2);
    CHECK(norms[std::size_t(n)] == doctest::Approx(std::sqrt(sum)).epsilon(1e-6));
  }
}

TEST_EACH_SET("Random fills draw what a random does one by one") {
  const advprop::random_stream r(5, 9, 3);
  const auto uniform = on_any_threads([&](cpu& d) {
    tensor<float, 4> x({3, 40, 41, 3});
    fill_uniform(d, r, -2, 3, x);
    return x;
  });
  const auto normal = on_any_threads([&](cpu& d) {
    tensor<float, 4> x({3, 40, 41, 3});
    fill_normal(d, r, x);
    return x;
  });
  auto u = r, v = r;
  for (float e : uniform)
    REQUIRE(std::abs(e - u.uniform(-2, 3)) < 3e-7f);  // a fused multiply and add, or two roundings
  for (float e : normal) REQUIRE(e == v.normal());
  CHECK(!same(uniform, normal));
}

}  // namespace elementwise_test
