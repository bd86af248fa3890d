#include <advprop/attacks/objective.hpp>

#include <type_traits>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/models/resnet.hpp>

namespace objective_test {

using namespace harness;

namespace {
using two = small_model<domains<2>>;
constexpr domain auxiliary = domains<2>::auxiliary(0);

/// What an attack may ask, and nothing else.
template <class O>
concept gives_away = requires(O& o) {
  o.values();
}
|| requires(O& o) { o.model(); }
|| requires(O& o) { o.net(); }
|| requires(O& o) { o.device(); }
|| requires(O& o) { o.running(); };
static_assert(!gives_away<objective<two>> && !gives_away<objective_archetype>);

template <bool Smoothed>
struct asks {
  static constexpr bool smoothed = Smoothed;
  std::vector<float>* gradient;
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    if constexpr (requires { *objective.input_gradient(images, labels).begin(); }) {
      const auto g = objective.input_gradient(images, labels);
      gradient->assign(g.begin(), g.end());
    }
  }
};
}  // namespace

TEST_CASE("The input gradient is that of each image's own loss, with and without label smoothing") {
  cpu d(1);
  two m(d, seed{3});
  scramble(m);
  auto x = images(3);
  const auto y = labels(3);
  for (float smoothing : {0.f, 0.2f})
    for (statistics source : {statistics::running, statistics::batch}) {
      objective<two> o(m, {auxiliary, source, smoothing});
      const auto sum_of_losses = [&] {
        const auto logits = m.forward(x, pass::attack(auxiliary, source));
        return 3 * cross_entropy(d, logits, y.view(), smoothing, 1, {}).loss;
      };
      device_images<cpu> batch(d, x.view());
      const auto g = o.input_gradient(batch, y.view());
      // Along the gradient itself: kinks of relu weigh little there.
      double slope = 0, up, down;
      const auto start = x;
      const float h = 2e-4f;
      std::vector<float> along(g.begin(), g.end());
      for (float v : along) slope += double(v) * v;
      const float scale = h / static_cast<float>(std::sqrt(slope));
      for (int i = 0; i < x.size(); ++i) x.data()[i] = start.data()[i] + scale * along[static_cast<std::size_t>(i)];
      up = sum_of_losses();
      for (int i = 0; i < x.size(); ++i) x.data()[i] = start.data()[i] - scale * along[static_cast<std::size_t>(i)];
      down = sum_of_losses();
      x = start;
      CHECK((up - down) / (2 * h) == doctest::Approx(std::sqrt(slope)).epsilon(0.01));
    }
}

TEST_CASE("How many images a pass takes at once changes no bit of the gradient") {
  cpu d(2);
  two m(d, seed{3});
  scramble(m);
  auto x = images(7);
  const auto y = labels(7);
  const device_images<cpu> batch(d, x.view());
  const auto gradient = [&](int at_once) {
    objective_options options;
    options.through = auxiliary;
    options.at_once = at_once;
    objective<two> o(m, options);
    const auto g = o.input_gradient(batch, y.view());
    return std::vector<float>(g.begin(), g.end());
  };
  const auto whole = gradient(7);
  CHECK(gradient(0) == whole);
  for (int at_once : {1, 2, 3, 6, 100}) CHECK(gradient(at_once) == whole);
}

TEST_CASE(
    "Losses are each image's own, from a pass of their own or from the gradient's, however many images it takes") {
  cpu d(2);
  two m(d, seed{3});
  scramble(m);
  auto x = images(7);
  const auto y = labels(7);
  const device_images<cpu> batch(d, x.view());
  for (const float smoothing : {0.f, 0.2f}) {
    std::vector<float> expected;
    for (int n = 0; n < 7; ++n) {
      const auto logits = m.forward(view(x.view()).slice(n, 1), pass::attack(auxiliary));
      expected.push_back(static_cast<float>(
          cross_entropy(d, logits, target_view(y.view()).slice(n, 1), smoothing, 1, feature_view<float>{}).loss));
    }
    for (const int at_once : {0, 1, 3, 7}) {
      CAPTURE(at_once);
      objective<two> o(m, {.through = auxiliary, .label_smoothing = smoothing, .at_once = at_once});
      const auto alone = o.losses(batch, y.view());
      CHECK(std::vector<float>(alone.begin(), alone.end()) == expected);
      const image_numbers<cpu> beside(d, 7);
      const auto gradient = o.input_gradient(batch, y.view(), beside);
      CHECK(std::vector<float>(beside.begin(), beside.end()) == expected);
      const auto same = o.input_gradient(batch, y.view());
      CHECK(same_bits(std::span(gradient.begin(), gradient.end()), std::span(same.begin(), same.end())));
    }
  }
  objective<two> o(m, {.through = auxiliary});
  CHECK_THROWS_WITH_AS(o.input_gradient(batch, y.view(), image_numbers<cpu>(d, 6)),
                       "objective: there is room for 6 losses of 7 images", argument_error);
  CHECK_THROWS_AS(o.losses(batch, labels(6).view()), argument_error);
}

TEST_CASE(
    "A small network takes as many images at once as the caches hold; a large one and batch statistics take all") {
  const cpu one(1), two_threads(2);
  const std::ptrdiff_t cache = detail::second_level_cache() / 4;
  CHECK(one.images_at_once(64, cache / 16, 1000) == 8);
  CHECK(two_threads.images_at_once(64, cache / 16, 1000) == 16);
  CHECK(one.images_at_once(10, cache / 16, 1000) == 5);  // equal shares, not 8 and 2
  CHECK(one.images_at_once(5, cache / 16, 1000) == 5);
  CHECK(one.images_at_once(64, 10 * cache, 1000) == 1);
  CHECK(one.images_at_once(64, cache / 16, 100 * cache) == 64);
  CHECK(one.images_at_once(250, cache, 16 * cache) == 32);  // maps of twice the weights' size, in equal shares
  CHECK(one.images_at_once(8, 100 * cache, 16 * cache) == 1);
  static_assert(largest_map<resnet20<10>>({3, 32, 32}) == 16 * 32 * 32);
  static_assert(largest_map<resnet50<10>>({3, 224, 224}) == 64 * 112 * 112);
  static_assert(largest_map<efficientnet_b0<10>>({3, 224, 224}) == 96 * 112 * 112);
}

TEST_CASE("copy, least_likely and classes are what they say") {
  cpu d(1);
  two m(d);
  scramble(m);
  auto x = images(9);
  objective<two> o(m, {auxiliary, statistics::running, 0});
  device_images<cpu> batch(d, x.view());
  const auto c = o.copy(batch);
  CHECK(same_bits(std::span(c.begin(), c.end()), x));
  CHECK(c.data() != x.data());
  CHECK(o.classes() == 4);
  tensor<int, 1> worst({9});
  o.least_likely(batch, worst.view());
  const auto z = logits_of(m.forward(x, pass::evaluate(auxiliary)));
  for (int n = 0; n < 9; ++n)
    for (int k = 0; k < 4; ++k)
      CHECK(z[static_cast<std::size_t>(n * 4 + worst(n))] <= z[static_cast<std::size_t>(n * 4 + k)]);
}

TEST_CASE("A gradient keeps its numbers when another one is asked for, and least_likely writes what it is asked for") {
  cpu d(1);
  two m(d, seed{3});
  scramble(m);
  auto x = images(4);
  const auto y = labels(4);
  objective<two> o(m, {auxiliary, statistics::running, 0});
  device_images<cpu> batch(d, x.view());
  const auto first = o.input_gradient(batch, y.view());
  const std::vector<float> before(first.begin(), first.end());
  for (float& v : x) v = 1 - v;
  const auto second = o.input_gradient(batch, y.view());
  CHECK(same_bits(std::span(first.begin(), first.end()), before));
  CHECK(!same_bits(std::span(second.begin(), second.end()), before));
  const auto part = o.input_gradient(batch.slice(0, 2), target_view(y.view()).slice(0, 2));
  CHECK(same_bits(std::span(first.begin(), first.end()), before));

  tensor<int, 1> worst({3}), wrong({4});
  std::fill(worst.begin(), worst.end(), -7);
  std::fill(wrong.begin(), wrong.end(), 4);
  CHECK_THROWS_WITH_AS(o.least_likely(batch, worst.view()), "objective: least_likely is to write 3 classes of 4 images",
                       argument_error);
  CHECK(worst(0) == -7);
  tensor<int, 1> all({4});
  CHECK_THROWS_AS(o.least_likely(batch, all.view(), wrong.view()), argument_error);
  CHECK_THROWS_AS(o.least_likely(batch, all.view(), worst.view()), argument_error);
}

TEST_CASE("Label smoothing reaches an attack only if it wants it") {
  cpu d(1);
  two m(d);
  scramble(m);
  auto x = images(3);
  const auto y = labels(3);
  random_stream rng;
  std::vector<float> without, with, expected;
  perturb(m, asks<false>{&without}, x.view(), y.view(), rng, auxiliary, 0.3f);
  perturb(m, asks<true>{&with}, x.view(), y.view(), rng, auxiliary, 0.3f);
  CHECK(!same_bits(without, with));
  objective<two> smoothed(m, {auxiliary, statistics::running, 0.3f}), plain(m, {auxiliary, statistics::running, 0});
  device_images<cpu> batch(d, x.view());
  const auto g = smoothed.input_gradient(batch, y.view()), h = plain.input_gradient(batch, y.view());
  expected.assign(g.begin(), g.end());
  CHECK(same_bits(with, expected));
  expected.assign(h.begin(), h.end());
  CHECK(same_bits(without, expected));
}

TEST_CASE("An attack is refused for a domain that the model lacks, or images or labels that do not fit") {
  cpu d(1);
  two m(d);
  auto x = images(2), colour = images(2, 8, 3);
  auto y = labels(2);
  random_stream rng;
  CHECK_THROWS_WITH_AS(perturb(m, attack::fgsm{}, x.view(), y.view(), rng, domains<3>::auxiliary(1)),
                       "domain out of range: 2 of 2", argument_error);
  CHECK_THROWS_AS(perturb(m, attack::fgsm{}, colour.view(), y.view(), rng), argument_error);
  y(1) = 4;
  CHECK_THROWS_WITH_AS(perturb(m, attack::fgsm{}, x.view(), y.view(), rng),
                       "perturb: label 4 of image 1 is outside 0..3", argument_error);
  y(1) = 3;
  CHECK_THROWS_WITH_AS(perturb(m, attack::none{}, x.view(), labels(1), rng), "perturb: 2 images but 1 labels",
                       argument_error);
  x(1, 2, 3, 0) = 255;
  CHECK_THROWS_WITH_AS(perturb(m, attack::none{}, x.view(), y.view(), rng),
                       "perturb: value 255 in image 1 of the batch is outside [0, 1]", argument_error);
}

}  // namespace objective_test
