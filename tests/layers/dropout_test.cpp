#include <advprop/layers/dropout.hpp>

#include "harness.hpp"

namespace dropout_test {

using namespace harness;

namespace {
struct quarter {
  static constexpr float value = 0.25f;
};
template <class... Ls>
std::vector<float> run(plain_net<9, Ls...>& m, const tensor<float, 4>& x, const pass& p, const random_stream& noise) {
  return numbers_of(m.forward(x, p, wrt::nothing, noise));
}
tensor<float, 4> ones() {
  tensor<float, 4> x({8, 6, 6, 9});
  std::fill(x.begin(), x.end(), 1.f);
  return x;
}
}  // namespace

TEST_CASE("Dropout zeroes its share of the numbers and scales up the rest, in passes that say so") {
  cpu d(1);
  plain_net<9, dropout<quarter>> m(d);
  const auto x = ones();
  double zeros = 0;
  const auto y = run(m, x, pass::train(main_domain), random_stream(1));
  for (float v : y) {
    CHECK((v == 0 || v == doctest::Approx(4.0 / 3)));
    zeros += v == 0;
  }
  CHECK(zeros / static_cast<double>(y.size()) == doctest::Approx(0.25).epsilon(0.1));
  for (const pass& p : {pass::evaluate(), pass::attack(auxiliary), pass::attack(auxiliary, statistics::batch)})
    for (float v : run(m, x, p, random_stream(1))) CHECK(v == 1);
  CHECK(run(m, x, pass::attack(auxiliary, statistics::running, true), random_stream(1)) == y);
}

TEST_CASE("The mask follows from the noise and the layer's name alone") {
  cpu one(1), two(2);
  plain_net<9, dropout<quarter>> m(one), same(two);
  plain_net<9, named<"other", dropout<quarter>>> other(one);
  const auto x = ones();
  const auto y = run(m, x, pass::train(main_domain), random_stream(1));
  CHECK(run(m, x, pass::train(main_domain), random_stream(1)) == y);
  CHECK(run(same, x, pass::train(auxiliary), random_stream(1)) == y);
  CHECK(run(m, x, pass::train(main_domain), random_stream(2)) != y);
  CHECK(run(other, x, pass::train(main_domain), random_stream(1)) != y);

  // The first images of a batch have the mask that they would have alone.
  const auto first =
      numbers_of(m.forward(x.view().slice(0, 3), pass::train(main_domain), wrt::nothing, random_stream(1)));
  CHECK(std::equal(first.begin(), first.end(), y.begin()));
}

TEST_CASE("Every part has the mask of its number in the step, or, matched, all have the same") {
  cpu d(1);
  plain_net<9, dropout<quarter>> m(d);
  const auto x = ones();
  const random_stream r(4);
  const std::ptrdiff_t image = 9 * 36;
  const auto of = [&](int count, const routing& parts, const layer_noise& noise) {
    return numbers_of(m.forward(x.view().slice(0, count), pass::train(parts), wrt::nothing, noise));
  };
  for (const routing& parts :
       {routing{{main_domain, 3}, {auxiliary, 5}}, routing{{main_domain, 3}, {main_domain, 5}}}) {
    const auto first = of(3, main_domain, {r, 6}), second = of(5, main_domain, {r, 7});
    auto y = of(8, parts, {r, 6});
    CHECK(std::equal(first.begin(), first.end(), y.begin()));
    CHECK(std::equal(second.begin(), second.end(), y.begin() + 3 * image));
    CHECK(!std::equal(first.begin(), first.end(), second.begin()));

    y = of(8, parts, {r, 6, true});
    CHECK(std::equal(y.begin(), y.begin() + 3 * image, y.begin() + 3 * image));
    CHECK(of(5, auxiliary, {r, 2, true}) == std::vector<float>(y.begin() + 3 * image, y.end()));
  }
}

TEST_CASE("Dropout's gradient, with its mask held fixed") {
  cpu d(1);
  net<convolution<9, 3>, dropout<quarter>, convolution<3, 3>, dropout<quarter>> m(d);
  auto x = images(2, 4, 4, 3);
  check_gradients(m, x, pass::train(main_domain), 0.05f, 1e-3, random_stream(7));
  check_gradients(m, x, pass::evaluate(), 0.05f, 1e-3, random_stream(7));
  check_gradients(m, x, pass::train({{main_domain, 1}, {auxiliary, 1}}), 0.05f, 1e-3, random_stream(7));
}

}  // namespace dropout_test
