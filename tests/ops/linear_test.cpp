#include <advprop/ops/cpu.hpp>

#include <array>
#include <vector>

#include <doctest/doctest.h>

#include "each_set.hpp"
#include "maps.hpp"

namespace linear_test {

using namespace advprop;
using maps::map;

namespace {
constexpr std::array<std::array<int, 3>, 7> sizes{
    {{1, 1, 1}, {3, 5, 13}, {4, 8, 8}, {7, 13, 5}, {9, 64, 10}, {6, 24, 17}, {33, 100, 40}}};  // batch, in, out
std::size_t at(int o, int i, int in) { return std::size_t(o) * std::size_t(in) + std::size_t(i); }
}  // namespace

TEST_EACH_SET("The fully connected layer and its gradients equal the sums in double precision") {
  cpu d(2, tested);
  for (const auto& size : sizes) {
    const int batch = size[0], in = size[1], out = size[2];
    CAPTURE(batch);
    CAPTURE(in);
    CAPTURE(out);
    const map x = map::random(batch, in, 1, 1, 1), dy = map::random(batch, out, 1, 1, 2);
    const auto w = maps::normals(in * out, 3), b = maps::normals(out, 4);
    map y = dy.like(), bare = dy.like(), dx = x.like();
    linear_forward(d, x, w.data(), b.data(), y);
    linear_forward(d, x, w.data(), nullptr, bare);
    const auto product = [&](int n, int o) {
      double sum = 0;
      for (int i = 0; i < in; ++i) sum += double(x(n, i)) * double(w[at(o, i, in)]);
      return sum;
    };
    CHECK(maps::error(y, [&](int n, int o, int, int) { return product(n, o) + double(b[std::size_t(o)]); }) < 1e-5);
    CHECK(maps::error(bare, [&](int n, int o, int, int) { return product(n, o); }) < 1e-5);
    CHECK(y.pads_are_zero());
    CHECK(bare.pads_are_zero());

    linear_backward_input(d, dy, w.data(), dx);
    CHECK(maps::error(dx, [&](int n, int i, int, int) {
            double sum = 0;
            for (int o = 0; o < out; ++o) sum += double(dy(n, o)) * double(w[at(o, i, in)]);
            return sum;
          }) < 1e-5);
    CHECK(dx.pads_are_zero());

    const auto dw0 = maps::normals(in * out, 5), db0 = maps::normals(out, 6);
    auto dw = dw0, db = db0, dw_alone = dw0;
    linear_backward_weight(d, x, dy, dw.data(), db.data());
    linear_backward_weight(d, x, dy, dw_alone.data(), nullptr);
    CHECK(maps::same_bits(dw, dw_alone));
    double worst = 0;
    for (int o = 0; o < out; ++o) {
      double bias = db0[std::size_t(o)];
      for (int n = 0; n < batch; ++n) bias += dy(n, o);
      worst = std::max(worst, std::abs(bias - db[std::size_t(o)]));
      for (int i = 0; i < in; ++i) {
        double sum = dw0[at(o, i, in)];
        for (int n = 0; n < batch; ++n) sum += double(dy(n, o)) * double(x(n, i));
        worst = std::max(worst, std::abs(sum - dw[at(o, i, in)]));
      }
    }
    CHECK(worst < 2e-5);
  }
}

TEST_EACH_SET("The gradients of the fully connected layer equal central differences of its forward") {
  cpu d(2, tested);
  map x = map::random(3, 13, 1, 1, 1), y(3, 5, 1, 1), dx = x.like();
  const map dy = map::random(3, 5, 1, 1, 2);
  auto w = maps::normals(13 * 5, 3), b = maps::normals(5, 4);
  std::vector<float> dw(w.size()), db(b.size());
  linear_backward_input(d, dy, w.data(), dx);
  linear_backward_weight(d, x, dy, dw.data(), db.data());
  const auto loss = [&] {
    linear_forward(d, x, w.data(), b.data(), y);
    return maps::dot(y, dy);
  };
  CHECK(maps::error(dx, [&](int n, int c, int, int) { return maps::slope(x(n, c), 0.5f, loss); }) < 1e-5);
  for (std::size_t i = 0; i < w.size(); ++i)
    CHECK(dw[i] == doctest::Approx(maps::slope(w[i], 0.5f, loss)).epsilon(1e-5));
  for (std::size_t i = 0; i < b.size(); ++i)
    CHECK(db[i] == doctest::Approx(maps::slope(b[i], 0.5f, loss)).epsilon(1e-5));
}

TEST_EACH_SET("The fully connected layer has the same bits at any thread count") {
  for (const auto& [batch, in, out] : sizes) {
    const map x = map::random(batch, in, 1, 1, 1), dy = map::random(batch, out, 1, 1, 2);
    const auto w = maps::normals(in * out, 3);
    std::vector<std::vector<float>> results;
    for (int threads : {1, 3}) {
      cpu d(threads, tested);
      map y = dy.like(), dx = x.like();
      std::vector<float> dw(w.size()), db(std::size_t(out), 0.f);
      linear_forward(d, x, w.data(), nullptr, y);
      linear_backward_input(d, dy, w.data(), dx);
      linear_backward_weight(d, x, dy, dw.data(), db.data());
      auto& all = results.emplace_back(y.values);
      for (const auto& v : {dx.values, dw, db}) all.insert(all.end(), v.begin(), v.end());
    }
    CHECK(maps::same_bits(results[0], results[1]));
  }
}

}  // namespace linear_test
