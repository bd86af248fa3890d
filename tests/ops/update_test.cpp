#include <advprop/ops/cpu.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "each_set.hpp"
#include "maps.hpp"

namespace update_test {

using namespace advprop;

namespace {

constexpr int count = 20011;  // two whole ranges and a part of one
using numbers = std::vector<float>;

/// Runs f(device) on one thread and on three; both results must have the same bits.
template <class F>
numbers on_any_threads(F f) {
  cpu one(1, tested), three(3, tested);
  const numbers a = f(one), b = f(three);
  CHECK(maps::same_bits(a, b));
  return a;
}

/// Three steps of `update(device, weights, gradients, first, second)`, which starts from `first` and zero, beside
/// `expected(w, g, first, second)` in double; returns the largest difference of any number.
template <class Update, class Expected>
double worst_after_three(float first, Update update, Expected expected) {
  const numbers start = maps::normals(count, 1);
  std::vector<double> truth(start.begin(), start.end()), a(start.size(), first), b(start.size());
  for (std::uint64_t step = 1; step <= 3; ++step) {
    const numbers g = maps::normals(count, 10 + step);
    for (std::size_t i = 0; i < g.size(); ++i) expected(truth[i], double(g[i]), a[i], b[i], int(step));
  }
  truth.insert(truth.end(), a.begin(), a.end());
  truth.insert(truth.end(), b.begin(), b.end());
  const numbers got = on_any_threads([&](cpu& d) {
    numbers w = start, s(start.size(), first), t(start.size());
    for (std::uint64_t step = 1; step <= 3; ++step) update(d, w, maps::normals(count, 10 + step), s, t, int(step));
    w.insert(w.end(), s.begin(), s.end());
    w.insert(w.end(), t.begin(), t.end());
    return w;
  });
  double worst = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) worst = std::fmax(worst, std::abs(got[i] - truth[i]));
  return worst;
}

}  // namespace

TEST_EACH_SET("SGD takes PyTorch's steps: plain, with momentum, with Nesterov's, with decay and a gradient scale") {
  for (const sgd_spec& s : {sgd_spec{0.1f}, sgd_spec{0.1f, 0.9f, 0, false, 1}, sgd_spec{0.1f, 0.9f, 0.01f, false, 0.5f},
                            sgd_spec{0.05f, 0.8f, 0.02f, true, 2.f}}) {
    const auto start = maps::normals(count, 1);
    std::vector<double> w(start.begin(), start.end()), v(start.size());
    for (std::uint64_t step = 0; step < 3; ++step) {
      const auto g = maps::normals(count, 10 + step);
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double h = double(s.gradient_scale) * double(g[i]) + double(s.weight_decay) * w[i];
        v[i] = double(s.momentum) * v[i] + h;
        w[i] -= double(s.learning_rate) * (s.nesterov ? h + double(s.momentum) * v[i] : v[i]);
      }
    }
    const auto got = on_any_threads([&](cpu& d) {
      auto weights = start;
      std::vector<float> velocity(start.size());
      for (std::uint64_t step = 0; step < 3; ++step)
        sgd_update(d, s, weights, maps::normals(count, 10 + step), velocity);
      for (std::size_t i = 0; i < velocity.size(); ++i) CHECK_FALSE(std::abs(velocity[i] - v[i]) > 1e-5);
      return weights;
    });
    double worst = 0;
    for (std::size_t i = 0; i < w.size(); ++i) worst = std::max(worst, std::abs(got[i] - w[i]));
    CHECK(worst < 1e-5);
  }
}

TEST_EACH_SET("RMSProp takes TensorFlow's steps: epsilon inside the root, the rate inside the momentum") {
  for (const rmsprop_spec& o : {rmsprop_spec{}, rmsprop_spec{0.1f, 0.8f, 0, 0.5f, 0.1f, 0.5f}}) {
    const double worst = worst_after_three(
        1, [&](cpu& d, numbers& w, const numbers& g, numbers& s, numbers& v, int) { rmsprop_update(d, o, w, g, s, v); },
        [&](double& w, double g, double& s, double& v, int) {
          g = double(o.gradient_scale) * g + double(o.weight_decay) * w;
          s = double(o.decay) * s + (1 - double(o.decay)) * g * g;
          v = double(o.momentum) * v + double(o.learning_rate) * g / std::sqrt(s + double(o.epsilon));
          w -= v;
        });
    CHECK(worst < 3e-6);
  }
}

TEST_EACH_SET("AdamW takes PyTorch's steps: epsilon outside the root, decay outside the moments") {
  for (adamw_spec o : {adamw_spec{}, adamw_spec{0.1f, 0.8f, 0.9f, 0.01f, 0.1f, 0.5f}}) {
    const double worst = worst_after_three(
        0,
        [&](cpu& d, numbers& w, const numbers& g, numbers& m, numbers& s, int t) {
          o.step_size = o.learning_rate / (1 - std::pow(o.beta1, float(t)));
          o.root_scale = 1 / std::sqrt(1 - std::pow(o.beta2, float(t)));
          adamw_update(d, o, w, g, m, s);
        },
        [&](double& w, double g, double& m, double& s, int t) {
          g *= double(o.gradient_scale);
          m = double(o.beta1) * m + (1 - double(o.beta1)) * g;
          s = double(o.beta2) * s + (1 - double(o.beta2)) * g * g;
          w -= double(o.learning_rate) * double(o.weight_decay) * w;
          const double mean = m / (1 - std::pow(double(o.beta1), t)), square = s / (1 - std::pow(double(o.beta2), t));
          w -= double(o.learning_rate) * mean / (std::sqrt(square) + double(o.epsilon));
        });
    CHECK(worst < 3e-6);
  }
}

TEST_EACH_SET("A moving average goes a part of the way to the values, which stay as they are") {
  const numbers values = maps::normals(count, 1), before = maps::normals(count, 2);
  const numbers average = on_any_threads([&](cpu& d) {
    numbers a = before;
    average_update(d, 0.25f, values, a);
    return a;
  });
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    worst = std::fmax(worst, std::abs(average[i] - (0.75 * double(before[i]) + 0.25 * double(values[i]))));
  CHECK(worst < 5e-7);
  cpu d(1, tested);
  numbers all = before, none = before;
  average_update(d, 0, values, none);
  CHECK(maps::same_bits(none, before));
  average_update(d, 1, values, all);
  for (std::size_t i = 0; i < values.size(); ++i) CHECK_FALSE(std::abs(all[i] - values[i]) > 5e-7);
}

TEST_CASE("Two places in memory exchange their numbers") {
  cpu d(1, tested);
  const numbers a = maps::normals(count, 1), b = maps::normals(count, 2);
  numbers x = a, y = b;
  memory_swap(d, x, y);
  CHECK(maps::same_bits(x, b));
  CHECK(maps::same_bits(y, a));
  memory_swap(d, {}, {});
}

}  // namespace update_test
