#include <advprop/layers/stochastic_depth.hpp>

#include "harness.hpp"

#include <advprop/io/safetensors.hpp>

namespace stochastic_depth_test {

using namespace harness;

namespace {

/// y = x + depth(x): an image leaves as itself, or as itself times 1 + 1 / (1 - p).
struct doubled : residual<stochastic_depth> {};
/// Blocks 0 (without a branch), 1, 2, 3 and 4 of 5.
using five = plain_net<3, block_counter, doubled, repeat<2, doubled>, named<"last", doubled>>;
const char* const names_of_blocks[] = {"1", "2", "3", "last"};

struct branch
    : residual<sequential<convolution<9, 3>, batch_norm<>, silu, convolution<3, 1>, batch_norm<>, stochastic_depth>> {};
struct first_branch : residual<sequential<convolution<3, 3>, batch_norm<>, stochastic_depth>> {};

struct deep : architecture<normalize<numbers3>, doubled, global_average_pool, linear<2>> {
  static constexpr float drop_path = 0.2f;
};

tensor<float, 4> ones(int batch) {
  tensor<float, 4> x({batch, 3, 5, 3});
  std::fill(x.begin(), x.end(), 1.f);
  return x;
}

/// What `five` makes of ones, an image, in the part that draws from `r`.
std::vector<float> expected(const random_stream& r, int images, float rate) {
  std::vector<float> y(static_cast<std::size_t>(images), 1.f);
  for (int b = 1; b < 5; ++b) {
    const float p = rate * static_cast<float>(b) / 5;
    const random_stream own = r.split(noise_tag(names_of_blocks[b - 1]));
    for (std::size_t n = 0; n < y.size(); ++n)
      if (random_stream::to_uniform(own.at(n)) >= p) y[n] += y[n] * (1 / (1 - p));
  }
  return y;
}
void check_images(const feature_map<cpu>& y, std::vector<float> a, const std::vector<float>& b = {}) {
  a.insert(a.end(), b.begin(), b.end());
  REQUIRE(y.batch() == static_cast<int>(a.size()));
  const auto v = numbers_of(y);
  for (std::size_t i = 0; i < v.size(); ++i) CHECK(v[i] == doctest::Approx(a[i / 45]).epsilon(1e-6));
}

}  // namespace

TEST_CASE("Whole images lose a branch, by the linear rule over all blocks, as the noise, the part and the name say") {
  cpu d(1);
  five m(d);
  CHECK(m.stochastic_depth().blocks == 5);
  m.stochastic_depth(0.8f);
  const auto x = ones(40);
  const random_stream r(3);
  check_images(m.forward(x, pass::train(main_domain), wrt::nothing, r), expected(r.split(0), 40, 0.8f));

  const routing two{{main_domain, 15}, {main_domain, 25}};
  check_images(m.forward(x, pass::train(two), wrt::nothing, {r, 6}), expected(r.split(6), 15, 0.8f),
               expected(r.split(7), 25, 0.8f));
  check_images(m.forward(x, pass::train(two), wrt::nothing, {r, 6, true}), expected(r.split(0), 15, 0.8f),
               expected(r.split(0), 25, 0.8f));
}

TEST_CASE("The expected output is the branch itself, and block b is left out in its share of the images") {
  cpu d(2);
  five m(d);
  m.stochastic_depth(0.5f);
  const auto x = ones(4000);
  double sum = 0;
  const auto y = m.forward(x, pass::train(main_domain), wrt::nothing, random_stream(8));
  for (int n = 0; n < 4000; ++n) sum += at(y.view(), n, 0, 0, 0);
  CHECK(sum / 4000 == doctest::Approx(16).epsilon(0.05));

  plain_net<3, block_counter, stochastic_depth> one(d);
  one.stochastic_depth(0.5f);
  int zeros = 0;
  const auto z = one.forward(x, pass::train(main_domain), wrt::nothing, random_stream(8));
  for (int n = 0; n < 4000; ++n) zeros += at(z.view(), n, 0, 0, 0) == 0;
  CHECK(zeros / 4000.0 == doctest::Approx(0.25).epsilon(0.1));
}

TEST_CASE("Stochastic depth is off in attacks and evaluation, in attacks on request, and at rate 0") {
  cpu d(1);
  five m(d);
  const auto x = ones(20);
  const random_stream r(3);
  const std::vector<float> all(20, 16);
  CHECK(m.stochastic_depth().rate == 0);
  check_images(m.forward(x, pass::train(main_domain), wrt::nothing, r), all);
  m.stochastic_depth(0.8f);
  check_images(m.forward(x, pass::evaluate(), wrt::nothing, r), all);
  check_images(m.forward(x, pass::attack(auxiliary), wrt::nothing, r), all);
  check_images(m.forward(x, pass::attack(auxiliary, statistics::batch), wrt::nothing, r), all);
  check_images(m.forward(x, pass::attack(auxiliary, statistics::running, true), wrt::nothing, r),
               expected(r.split(0), 20, 0.8f));
}

TEST_CASE("The gradient, with the masks held fixed, and what is left out has none") {
  cpu d(1);
  net<convolution<3, 3>, first_branch, repeat<2, branch>, convolution<3, 3>> m(d);
  scramble(m);
  m.stochastic_depth(0.9f);
  auto x = images(6, 4, 4, 3);
  for (const pass& p : {pass{routing{{main_domain, 3}, {auxiliary, 3}}, statistics::batch, false, true},
                        pass{routing{{main_domain, 2}, {auxiliary, 4}}, statistics::running, false, true}})
    check_gradients(m, x, p, 0.005f, 2e-3, random_stream(7));

  plain_net<3, block_counter, convolution<3, 3>, stochastic_depth> one(d);
  one.stochastic_depth(0.5f);
  const pass p = pass::train(main_domain);
  const auto y = one.forward(x, p, wrt::nothing, random_stream(1));
  const auto g = differentiate<wrt::input>(one, x, p, random_stream(1));
  for (int n = 0; n < 6; ++n) CHECK((at(y.view(), n, 0, 2, 2) == 0) == (g.images(n, 2, 2, 0) == 0));
}

TEST_CASE("The rates of EfficientNet-B0's blocks are timm's") {
  const auto timm =
      safetensors::read(ADVPROP_TEST_SOURCE "/golden/regularization.safetensors").floats("drop_path.efficientnet_b0");
  REQUIRE(timm.size() == 16);
  const depth_rule rule{0.2f, 16};
  for (int b = 0; b < 16; ++b) {
    const float rate = timm[static_cast<std::size_t>(b)];
    if (rate >= 0) CHECK(rule.rate_of(b) == doctest::Approx(rate).epsilon(1e-6));
  }
}

TEST_CASE("The rule of a backward pass is the one that its forward pass had") {
  cpu d(1);
  plain_net<3, block_counter, convolution<3, 3>, stochastic_depth> m(d);
  const auto x = images(8, 4, 4, 3);
  m.stochastic_depth(0.5f);
  const auto before = differentiate<wrt::both>(m, x, pass::train(main_domain), random_stream(1));
  m.zero_gradients();
  auto y = m.forward(x, pass::train(main_domain), wrt::both, random_stream(1));
  m.stochastic_depth(0);
  tensor<float, 4> dx(x.extents());
  m.backward<wrt::both>(loss_gradient(d, y), dx);
  CHECK(same_bits(m.gradients(), before.parameters));
}

TEST_CASE("The branch's last batch norm is known as such, and checkpoints do not see the layer") {
  cpu d(1);
  net<first_branch, repeat<2, branch>> m(d, seed{1}, {.zero_last_scale = true});
  for (const parameter& p : m.table()) {
    const bool last = p.name.starts_with("0.1.") || p.name.starts_with("1.4.") || p.name.starts_with("2.4.");
    if (p.role == role::scale) CHECK(m[p][0] == (last ? 0.f : 1.f));
  }
  CHECK(m.table().size() == 1 + 8 + 2 * (2 + 16));
}

TEST_CASE("The rate starts as the network's own, and must be in [0, 1)") {
  cpu d(1);
  model<deep, domains<1>, cpu> m(d);
  CHECK(m.stochastic_depth().rate == 0.2f);
  CHECK(m.stochastic_depth().blocks == 1);
  CHECK_THROWS_WITH_AS(m.stochastic_depth(1), "model: stochastic depth is 1, must be in [0, 1)", argument_error);
  CHECK_THROWS_AS(m.stochastic_depth(-0.1f), argument_error);
  CHECK_THROWS_AS(m.stochastic_depth(NAN), argument_error);
  CHECK(m.stochastic_depth().rate == 0.2f);
}

TEST_CASE("The same bits on one thread and on two") {
  cpu one(1), two(2);
  net<first_branch, repeat<2, branch>> a(one, seed{1}), b(two, seed{1});
  a.stochastic_depth(0.5f);
  b.stochastic_depth(0.5f);
  const auto x = images(9, 4, 4, 3);
  const auto ga = differentiate<wrt::both>(a, x, pass::train(auxiliary), random_stream(2)),
             gb = differentiate<wrt::both>(b, x, pass::train(auxiliary), random_stream(2));
  CHECK(ga.parameters == gb.parameters);
}

}  // namespace stochastic_depth_test
