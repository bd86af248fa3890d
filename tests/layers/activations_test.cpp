#include <advprop/layers/activations.hpp>

#include "harness.hpp"

namespace activations_test {

using namespace harness;

static_assert(relu::output({5, 3, 2}) == shape{5, 3, 2} && silu::parameters(5) == 0 &&
              sigmoid::output({1, 2, 3}) == shape{1, 2, 3});

namespace {
/// Positive and negative, away from the kink at zero.
tensor<float, 4> signed_images() {
  auto x = images(3, 4, 3, 5);
  for (float& v : x) v = v < 0.5f ? v - 0.7f : v - 0.3f;
  return x;
}
template <class Layer, class F>
void check(F f, tensor<float, 4> x = signed_images()) {
  cpu d(1);
  plain_net<5, Layer> alone(d);
  const auto y = numbers_of(alone.forward(x, pass::evaluate()));
  std::size_t i = 0;
  for (int n = 0; n < 3; ++n)
    for (int c = 0; c < 5; ++c)
      for (int h = 0; h < 4; ++h)
        for (int w = 0; w < 3; ++w) CHECK(y[i++] == doctest::Approx(f(double(x(n, h, w, c)))).epsilon(1e-5));
  check_gradients(alone, x, pass::evaluate(), 0.02f);
  // Between layers that learn, where memory is written over.
  plain_net<5, convolution<5, 1, 1, 0, 5>, Layer, convolution<3, 1>> between(d);
  for (float& v : between[between.table()[0]]) v = v < 0 ? -1.f : 1.f;
  check_gradients(between, x, pass::evaluate(), 0.02f);
}
}  // namespace

TEST_CASE("ReLU and its gradient") {
  check<relu>([](double v) { return std::max(v, 0.0); });
}
TEST_CASE("ReLU6 and its gradient") {
  auto x = signed_images();
  for (float& v : x) v = 10 * v + (std::abs(v) < 0.5f ? 0 : std::copysign(2.f, v));  // nothing near the kink at 6
  check<relu6>([](double v) { return std::min(std::max(v, 0.0), 6.0); }, std::move(x));
}
TEST_CASE("SiLU and its gradient") {
  check<silu>([](double v) { return v / (1 + std::exp(-v)); });
}
TEST_CASE("The sigmoid and its gradient") {
  check<sigmoid>([](double v) { return 1 / (1 + std::exp(-v)); });
}
TEST_CASE("ReLU lets no gradient through at zero, as PyTorch") {
  cpu d(1);
  plain_net<5, relu> m(d);
  tensor<float, 4> x({1, 2, 2, 5});
  const auto g = differentiate<wrt::input>(m, x, pass::evaluate());
  CHECK(std::all_of(g.images.begin(), g.images.end(), [](float v) { return v == 0; }));
}

}  // namespace activations_test
