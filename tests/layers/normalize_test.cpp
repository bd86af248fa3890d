#include <advprop/layers/normalize.hpp>

#include "harness.hpp"

namespace normalize_test {

using namespace harness;

static_assert(normalize<imagenet_statistics>::channels == 3 && normalize<mnist_statistics>::channels == 1);

TEST_CASE(
    "The input stage subtracts the mean and divides by the deviation of each channel; its gradient divides only") {
  cpu d(1);
  const auto x = images(2, 3, 5, 3);
  const auto y = normalize<numbers3>::forward(d, x);
  CHECK(y.image() == shape{3, 3, 5});
  tensor<float, 4> g(x.extents());
  normalize<numbers3>::backward(d, y, g);
  for (int n = 0; n < 2; ++n)
    for (int h = 0; h < 3; ++h)
      for (int w = 0; w < 5; ++w)
        for (int c = 0; c < 3; ++c) {
          const auto i = static_cast<std::size_t>(c);
          const double expected = (x(n, h, w, c) - numbers3::mean[i]) / numbers3::deviation[i];
          CHECK(at(y.view(), n, c, h, w) == doctest::Approx(expected).epsilon(1e-5));
          CHECK(g(n, h, w, c) == doctest::Approx(expected / numbers3::deviation[i]).epsilon(1e-5));
        }
  for (int n = 0; n < 2; ++n)
    for (int i = 0; i < 15; ++i)
      for (int l = 3; l < 8; ++l) CHECK(channel_block(y.view(), n, 0)[i * 8 + l] == 0);
}

}  // namespace normalize_test
