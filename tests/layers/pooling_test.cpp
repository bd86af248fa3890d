#include <advprop/layers/pooling.hpp>

#include "harness.hpp"

namespace pooling_test {

using namespace harness;

static_assert(max_pool<3, 2, 1>::output({64, 112, 112}) == shape{64, 56, 56});
static_assert(average_pool<2>::output({3, 7, 6}) == shape{3, 3, 3});
static_assert(global_average_pool::output({9, 5, 4}) == shape{9, 1, 1});

namespace {
/// All values at least 0.05 apart, so that no step of a difference changes which is the largest.
tensor<float, 4> distinct(int height, int width) {
  tensor<float, 4> x({2, height, width, 3});
  std::vector<int> order;
  for (int i = 0; i < x.size(); ++i) order.push_back(i);
  random_stream r(3);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<std::size_t>(r.below(int(i)))]);
  for (int i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(order[static_cast<std::size_t>(i)]) * 0.05f - 3;
  return x;
}
template <class Pool, class F>
void check(F reduce, int kernel, int stride, int padding) {
  cpu d(1);
  plain_net<3, Pool> m(d);
  auto x = distinct(6, 5);
  const auto y = m.forward(x, pass::evaluate());
  CHECK(y.image() == Pool::output({3, 6, 5}));
  for (int n = 0; n < 2; ++n)
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < y.image().height; ++i)
        for (int j = 0; j < y.image().width; ++j) {
          std::vector<double> window;
          for (int a = 0; a < kernel; ++a)
            for (int b = 0; b < kernel; ++b)
              if (const int h = i * stride - padding + a, w = j * stride - padding + b;
                  h >= 0 && w >= 0 && h < 6 && w < 5)
                window.push_back(x(n, h, w, c));
          CHECK(at(y.view(), n, c, i, j) == doctest::Approx(reduce(window)).epsilon(1e-5));
        }
  check_gradients(m, x, pass::evaluate(), 0.02f);
}
double mean(const std::vector<double>& v, double count) {
  double sum = 0;
  for (double x : v) sum += x;
  return sum / count;
}
}  // namespace

TEST_CASE("Max pooling and its gradient; padding never wins") {
  const auto largest = [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); };
  check<max_pool<3, 2, 1>>(largest, 3, 2, 1);
  check<max_pool<2>>(largest, 2, 2, 0);
  cpu d(1);
  plain_net<3, max_pool<3, 2, 1>> m(d);
  tensor<float, 4> x({1, 4, 4, 3});
  std::fill(x.begin(), x.end(), -5.f);
  for (float v : numbers_of(m.forward(x, pass::evaluate()))) CHECK(v == -5);
}

TEST_CASE("Average pooling and its gradient; padding counts as zeros") {
  check<average_pool<3, 2, 1>>([](const std::vector<double>& v) { return mean(v, 9); }, 3, 2, 1);
  check<average_pool<2>>([](const std::vector<double>& v) { return mean(v, 4); }, 2, 2, 0);
}

TEST_CASE("Global average pooling and its gradient") {
  cpu d(1);
  plain_net<3, global_average_pool> m(d);
  auto x = distinct(6, 5);
  const auto y = m.forward(x, pass::evaluate());
  for (int n = 0; n < 2; ++n)
    for (int c = 0; c < 3; ++c) {
      double sum = 0;
      for (int h = 0; h < 6; ++h)
        for (int w = 0; w < 5; ++w) sum += x(n, h, w, c);
      CHECK(at(y.view(), n, c, 0, 0) == doctest::Approx(sum / 30).epsilon(1e-5));
    }
  check_gradients(m, x, pass::evaluate(), 0.1f);
}

TEST_CASE("Pooling between layers that learn has the gradient of all") {
  cpu d(1);
  plain_net<3, convolution<3, 1, 1, 0, 3>, max_pool<2>, average_pool<2, 1, 1>, global_average_pool, linear<2>> m(d);
  for (float& v : m[m.table()[0]]) v = v < 0 ? -1.f : 1.f;
  auto x = distinct(6, 6);
  check_gradients(m, x, pass::evaluate(), 0.005f);
}

TEST_CASE("A window that does not fit the image is refused with its size") {
  cpu d(1);
  plain_net<3, max_pool<3>> largest(d);
  plain_net<3, average_pool<3>> average(d);
  const auto x = images(1, 2, 5, 3);
  CHECK_THROWS_WITH_AS(largest.forward(x, pass::evaluate()), "pooling: a window of 3 does not fit an image of 2x5",
                       argument_error);
  CHECK_THROWS_AS(average.forward(x, pass::evaluate()), argument_error);
}

}  // namespace pooling_test
