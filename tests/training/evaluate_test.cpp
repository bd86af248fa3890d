#include <advprop/training/evaluate.hpp>

#include <limits>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/pgd.hpp>

namespace evaluate_test {

using namespace harness;

namespace {
using two = small_model<domains<2>>;
constexpr domain auxiliary = domains<2>::auxiliary(0);
}  // namespace

TEST_CASE("An evaluation counts every image once, through the domain that was asked for, and changes nothing") {
  cpu d(1);
  two m(d, seed{3});
  scramble(m);
  const auto x = images(23);
  const auto y = labels(23);
  const array_source<float> data(x.view(), y.view(), 4);
  const snapshot before(m);
  for (domain through : {main_domain, auxiliary}) {
    const auto logits = m.forward(x, pass::evaluate(through));
    const auto whole = cross_entropy(d, logits, y.view(), 0, 1, {});
    tensor<int, 1> best({23});
    predict(d, logits, best.view());
    for (int batch : {5, 23, 100}) {
      const auto e = evaluate(m, data, {.through = through, .batch = batch});
      CHECK(e.total.images == 23);
      CHECK(e.total.correct == whole.correct);
      CHECK(e.total.loss() == doctest::Approx(whole.loss).epsilon(1e-6));
      std::vector<long> confusion(16);
      for (int i = 0; i < 23; ++i) ++confusion[static_cast<std::size_t>(y(i) * 4 + best(i))];
      CHECK(e.confusion == confusion);
      CHECK(e.classes == 4);
    }
  }
  CHECK(evaluate(m, data, {.batch = 5, .images = 7}).total.images == 7);
  CHECK(evaluate(m, data, {.images = 70}).total.images == 23);
  CHECK(snapshot(m) == before);
}

TEST_CASE("An evaluation under attack attacks through the same domain, from its own seed") {
  cpu d(1);
  two m(d, seed{3});
  scramble(m);
  const auto x = images(23);
  const auto y = labels(23);
  const array_source<float> data(x.view(), y.view(), 4);
  const snapshot before(m);
  auto z = x;
  random_stream rng;
  perturb(m, attack::fgsm{.epsilon = 8}, z.view(), y.view(), rng, auxiliary);
  const auto expected = cross_entropy(d, m.forward(z, pass::evaluate(auxiliary)), y.view(), 0, 1, {});
  const auto e = evaluate(m, data, {.through = auxiliary, .batch = 6}, attack::fgsm{.epsilon = 8});
  CHECK(e.total.loss() == doctest::Approx(expected.loss).epsilon(1e-6));
  CHECK(e.total.correct == expected.correct);
  CHECK(e.total.loss() > evaluate(m, data, {.through = auxiliary}).total.loss());

  const attack::pgd strong{.epsilon = 20, .step = 2, .steps = 3};
  const auto loss = [&](std::uint64_t s) {
    return evaluate(m, data, {.seed = advprop::seed{s}}, strong).total.loss_sum;
  };
  CHECK(loss(1) == loss(1));
  CHECK(loss(1) != loss(2));
  CHECK(snapshot(m) == before);
}

TEST_CASE("Data of another number of classes and senseless options are refused") {
  cpu d(1);
  two m(d);
  const auto x = images(3);
  const auto y = labels(3);
  CHECK_THROWS_WITH_AS(evaluate(m, array_source<float>(x.view(), y.view(), 5)),
                       "evaluate: the data have 5 classes, the network 4", argument_error);
  const array_source<float> data(x.view(), y.view(), 4);
  CHECK_THROWS_AS(evaluate(m, data, {.batch = 0}), argument_error);
  CHECK(evaluate(m, data, {.batch = std::numeric_limits<int>::max()}).total.images == 3);
  CHECK_THROWS_AS(evaluate(m, data, {.images = -1}), argument_error);

  dataset bytes;
  bytes.classes = 4;
  CHECK_THROWS_WITH_AS(evaluate(m, bytes), "evaluate: no images", argument_error);
  bytes.image_shape = {1, 8, 8};
  bytes.pixels.resize(64);
  bytes.labels = {4};
  CHECK_THROWS_WITH_AS(evaluate(m, bytes), "evaluate: label 4 of image 0 is outside 0..3", argument_error);
}

TEST_CASE("A network whose loss is not finite is not evaluated") {
  cpu d(1);
  two m(d);
  const auto x = images(6);
  const auto y = labels(6);
  const array_source<float> data(x.view(), y.view(), 4);
  m.values()[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(evaluate(m, data, {.batch = 4}),
                       doctest::Contains("evaluate: the loss of images 0 to 3 is not a finite number"), numeric_error);
}

}  // namespace evaluate_test
