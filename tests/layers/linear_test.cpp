#include <advprop/layers/linear.hpp>

#include "harness.hpp"

namespace linear_test {

using namespace harness;

static_assert(linear<10>::parameters(64) == 650);
static_assert(linear<10>::output({64, 1, 1}) == shape{10, 1, 1});

TEST_CASE("A linear layer and its gradients") {
  cpu d(1);
  plain_net<11, linear<5>> m(d, seed{2});
  auto x = images(4, 1, 1, 11);
  const auto y = m.forward(x, pass::evaluate());
  const std::span<float> w = m[m.table()[0]], b = m[m.table()[1]];
  for (int n = 0; n < 4; ++n)
    for (int o = 0; o < 5; ++o) {
      double sum = b[static_cast<std::size_t>(o)];
      for (int i = 0; i < 11; ++i) sum += double(x(n, 0, 0, i)) * double(w[static_cast<std::size_t>(o * 11 + i)]);
      CHECK(at(y.view(), n, o, 0, 0) == doctest::Approx(sum).epsilon(1e-5));
    }
  check_gradients(m, x, pass::evaluate(), 0.1f, 5e-4);
}

TEST_CASE("A linear layer behind another one has the gradient of both") {
  cpu d(1);
  net<convolution<9, 3>, global_average_pool, linear<12>, silu, linear<3>> m(d);
  auto x = images(3, 4, 4, 3);
  check_gradients(m, x, pass::evaluate(), 0.05f);
}

TEST_CASE("Weights and biases start uniform within one over the root of the inputs") {
  cpu d(1);
  plain_net<100, linear<200>> m(d, seed{4});
  for (const parameter& p : m.table()) {
    double sum = 0, squares = 0, largest = 0;
    for (float v : m[p]) sum += v, squares += double(v) * v, largest = std::max(largest, std::abs(double(v)));
    const double n = static_cast<double>(p.count);
    CHECK(largest <= 0.1);
    CHECK(largest > 0.095);
    CHECK(std::abs(sum / n) < 0.25 / std::sqrt(n));
    CHECK(squares / n == doctest::Approx(0.01 / 3).epsilon(0.15));
  }
}

TEST_CASE("An input that is not 1x1 is refused with advice") {
  cpu d(1);
  net<linear<4>> m(d);
  CHECK_THROWS_WITH_AS(m.forward(images(1, 2, 3, 3), pass::evaluate()),
                       "linear: the input is 2x3, not 1x1; put global_average_pool before it", argument_error);
}

}  // namespace linear_test
