#include <advprop/layers/convolution.hpp>

#include "harness.hpp"

namespace convolution_test {

using namespace harness;

static_assert(convolution<16, 3>::output({3, 32, 20}) == shape{16, 32, 20});
static_assert(convolution<64, 7, 2>::output({3, 224, 224}) == shape{64, 112, 112});
static_assert(convolution<8, 3, 1, 0>::output({3, 5, 5}) == shape{8, 3, 3});
static_assert(convolution<64, 7, 2>::parameters(3) == 64 * 3 * 49);
static_assert(convolution<12, 3, 1, 1, 3, bias::on>::parameters(6) == 12 * 2 * 9 + 12);
static_assert(depthwise<5, 2>::output({24, 9, 9}) == shape{24, 5, 5});
static_assert(depthwise<5>::parameters(24) == 24 * 25);
static_assert(convolution<32, 3, 2, same_padding>::output({3, 225, 224}) == shape{32, 113, 112});
static_assert(depthwise<5, 2, same_padding>::output({24, 9, 1}) == shape{24, 5, 1});

namespace {
/// The plain sum, in double.
template <class Model>
double expected(Model& m, const_image_view x, const conv_spec& s, int n, int o, int i, int j) {
  const std::span<float> w = m[m.table()[0]];
  double sum = m.table().size() > 1 ? double(m[m.table()[1]][static_cast<std::size_t>(o)]) : 0.0;
  const int per = s.in / s.groups, group = o / (s.out / s.groups);
  for (int c = 0; c < per; ++c)
    for (int a = 0; a < s.kernel; ++a)
      for (int b = 0; b < s.kernel; ++b) {
        const int h = i * s.stride - s.before(x.extent(1)) + a, v = j * s.stride - s.before(x.extent(2)) + b;
        if (h < 0 || v < 0 || h >= x.extent(1) || v >= x.extent(2)) continue;
        sum += double(x(n, h, v, group * per + c)) *
               double(w[static_cast<std::size_t>(((o * per + c) * s.kernel + a) * s.kernel + b)]);
      }
  return sum;
}

template <int Channels, class Conv>
void check(const conv_spec& s) {
  cpu d(1);
  plain_net<Channels, Conv> m(d, seed{3});
  auto x = images(3, 6, 5, Channels);
  const auto y = m.forward(x, pass::evaluate());
  CHECK(y.image() == Conv::output({Channels, 6, 5}));
  CHECK(static_cast<long>(m.values().size()) == Conv::parameters(Channels));
  double worst = 0;
  for (int n = 0; n < 3; ++n)
    for (int o = 0; o < s.out; ++o)
      for (int i = 0; i < y.image().height; ++i)
        for (int j = 0; j < y.image().width; ++j)
          worst = std::max(worst, std::abs(double(at(y.view(), n, o, i, j)) - expected(m, x, s, n, o, i, j)));
  CHECK(worst < 1e-5);
  check_gradients(m, x, pass::evaluate(), 0.1f, 5e-4);
}
}  // namespace

TEST_CASE("A convolution and its gradients: padding, stride, bias") {
  check<3, convolution<10, 3>>({3, 10, 3, 1, 1, 1});
  check<3, convolution<5, 3, 2, 0, 1, bias::on>>({3, 5, 3, 2, 0, 1});
  check<9, convolution<4, 1, 2>>({9, 4, 1, 2, 0, 1});
  check<3, convolution<5, 3, 2, same_padding>>({3, 5, 3, 2, same_padding, 1});
}

TEST_CASE("A grouped convolution and its gradients") {
  check<12, convolution<6, 3, 1, 1, 3, bias::on>>({12, 6, 3, 1, 1, 3});
}

TEST_CASE("A depthwise convolution and its gradients") { check<11, depthwise<3, 2>>({11, 11, 3, 2, 1, 11}); }

TEST_CASE("A convolution behind another one has the gradient of both") {
  cpu d(1);
  net<convolution<9, 3>, convolution<4, 3, 2, 1, 1, bias::on>> m(d);
  auto x = images(2, 5, 5, 3);
  check_gradients(m, x, pass::evaluate(), 0.05f);
}

TEST_CASE("Gradients add up until they are set to zero") {
  cpu d(1);
  net<convolution<4, 3, 1, 1, 1, bias::on>> m(d);
  const auto x = images(2, 4, 4, 3);
  const auto once = differentiate<wrt::parameters>(m, x, pass::evaluate()).parameters;
  auto y = m.forward(x, pass::evaluate(), wrt::parameters);
  m.backward<wrt::parameters>(loss_gradient(d, y));
  for (std::size_t i = 0; i < once.size(); ++i) CHECK(m.gradients()[i] == doctest::Approx(2 * once[i]).epsilon(1e-4));
}

TEST_CASE(
    "Weights start normal with a Kaiming fan-out deviation, biases uniform within one over the root of the fan-in") {
  cpu d(1);
  const auto deviation = [](std::span<const float> w) {
    double sum = 0, squares = 0;
    for (float v : w) sum += v, squares += double(v) * v;
    const double n = static_cast<double>(w.size()), mean = sum / n;
    CHECK(std::abs(mean) < 4 * std::sqrt(squares / n / n));
    return std::sqrt(squares / n - mean * mean);
  };
  plain_net<64, convolution<128, 3, 1, 1, 1, bias::on>> dense(d, seed{1});
  CHECK(deviation(dense[dense.table()[0]]) == doctest::Approx(std::sqrt(2.0 / (128 * 9))).epsilon(0.01));
  const double bound = 1 / std::sqrt(64.0 * 9);
  double largest = 0;
  for (float b : dense[dense.table()[1]]) largest = std::max(largest, std::abs(double(b)));
  CHECK(largest <= bound);
  CHECK(largest > 0.9 * bound);
  CHECK(deviation(dense[dense.table()[1]]) == doctest::Approx(bound / std::sqrt(3.0)).epsilon(0.15));

  plain_net<64, convolution<128, 3, 1, 1, 4>> grouped(d);  // of all groups, as torchvision's and timm's ResNeXts
  CHECK(deviation(grouped[grouped.table()[0]]) == doctest::Approx(std::sqrt(2.0 / (128 * 9))).epsilon(0.02));
  plain_net<256, depthwise<5>> single(d);  // of one filter, as timm's EfficientNets
  CHECK(deviation(single[single.table()[0]]) == doctest::Approx(std::sqrt(2.0 / 25)).epsilon(0.03));
}

TEST_CASE("A kernel that does not fit the image is refused with its size") {
  cpu d(1);
  net<convolution<4, 5, 1, 0>> m(d);
  CHECK_THROWS_WITH_AS(m.forward(images(1, 4, 6, 3), pass::evaluate()),
                       "convolution: a 5x5 kernel does not fit an image of 4x6 with padding 0", argument_error);
}

}  // namespace convolution_test
