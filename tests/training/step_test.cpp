#include <advprop/training/step.hpp>

#include "../models/harness.hpp"

namespace step_test {

using namespace harness;

namespace {
using two = small_model<domains<2>>;
constexpr domain auxiliary = domains<2>::auxiliary(0);
}  // namespace

TEST_CASE("Each part's tally holds its own mean loss, unweighted, and goes to its own place") {
  cpu d(1);
  two m(d, seed{1}), n(d, seed{1});
  const auto x = images(10);
  const auto y = labels(10);
  step_metrics metrics;
  m.zero_gradients();
  accumulate_gradients(m, {x.view(), y.view()},
                       routing{{main_domain, 6, 0.5f}, {auxiliary, 3, 2.f}, {auxiliary, 1, 7.f}}, {}, metrics, 2);
  CHECK(metrics.count == 5);
  CHECK(metrics.parts[0].images == 0);
  const auto logits = n.forward(x, pass::train(routing{{main_domain, 6}, {auxiliary, 4}}));
  const int first[] = {0, 6, 9}, count[] = {6, 3, 1};
  for (int i = 0; i < 3; ++i) {
    const auto r = cross_entropy(d, logits.slice(first[i], count[i]), y.view().slice(first[i], count[i]), 0, 1, {});
    const tally& t = metrics.parts[static_cast<std::size_t>(2 + i)];
    CHECK(t.loss() == doctest::Approx(r.loss).epsilon(1e-12));
    CHECK(t.images == count[i]);
    CHECK(t.correct == r.correct);
    CHECK(t.correct_top5 == count[i]);
  }
}

TEST_CASE("The gradient is that of the weighted sum of the parts' mean losses, and is added to what is there") {
  cpu d(1);
  two m(d, seed{1});
  scramble(m);
  const auto x = images(10);
  const auto y = labels(10);
  const auto of = [&](const routing& r, float smoothing = 0) {
    step_metrics metrics;
    m.zero_gradients();
    accumulate_gradients(m, {x.view(), y.view()}, r, {.label_smoothing = smoothing}, metrics, 0);
    return copy_of(m.gradients());
  };
  const auto both = of({{main_domain, 7, 0.5f}, {auxiliary, 3, 3.f}});
  const auto main = of({{main_domain, 7, 1.f}, {auxiliary, 3, 0.f}}),
             aux = of({{main_domain, 7, 0.f}, {auxiliary, 3, 1.f}});
  std::vector<float> sum(both.size());
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = 0.5f * main[i] + 3 * aux[i];
  CHECK(distance(both, sum) < 1e-5);

  step_metrics metrics;
  accumulate_gradients(m, {x.view(), y.view()}, {{main_domain, 7, 1.f}, {auxiliary, 3, 0.f}}, {}, metrics, 0);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = main[i] + aux[i];
  CHECK(distance(m.gradients(), sum) < 1e-5);
  CHECK(distance(of(main_domain, 0.1f), of(main_domain)) > 0.01);
}

TEST_CASE("Label smoothing is in the loss and its gradient") {
  cpu d(1);
  two m(d, seed{1}), n(d, seed{1});
  const auto x = images(5);
  const auto y = labels(5);
  step_metrics metrics;
  accumulate_gradients(m, {x.view(), y.view()}, main_domain, {.label_smoothing = 0.2f}, metrics, 0);
  const auto z = logits_of(n.forward(x, pass::train(main_domain)));
  double loss = 0;
  std::vector<double> bias(4, 0);
  for (int i = 0; i < 5; ++i) {
    double sum = 0;
    for (int k = 0; k < 4; ++k) sum += std::exp(double(z[static_cast<std::size_t>(i * 4 + k)]));
    for (int k = 0; k < 4; ++k) {
      const double target = 0.05 + (k == y(i) ? 0.8 : 0), v = z[static_cast<std::size_t>(i * 4 + k)];
      loss -= target * (v - std::log(sum)) / 5;
      bias[static_cast<std::size_t>(k)] += (std::exp(v) / sum - target) / 5;
    }
  }
  CHECK(metrics.parts[0].loss() == doctest::Approx(loss).epsilon(1e-5));
  CHECK(distance(m.gradient(entry(m, "fc.bias")), bias) < 1e-5);
}

TEST_CASE("Images and labels that do not pair up are refused") {
  cpu d(1);
  two m(d);
  step_metrics metrics;
  const auto x = images(5);
  const auto y = labels(4);
  CHECK_THROWS_WITH_AS(accumulate_gradients(m, {x.view(), y.view()}, main_domain, {}, metrics, 0),
                       "step: 5 images but 4 labels", argument_error);
  const auto own = labels(5);
  for (const float smoothing : {-0.1f, 1.f, NAN})
    CHECK_THROWS_WITH_AS(
        accumulate_gradients(m, {x.view(), own.view()}, main_domain, {.label_smoothing = smoothing}, metrics, 0),
        doctest::Contains("step: label_smoothing is "), argument_error);
  auto bytes = x;
  bytes(1, 2, 3, 0) = 200;
  CHECK_THROWS_WITH_AS(accumulate_gradients(m, {bytes.view(), own.view()}, main_domain, {}, metrics, 0),
                       "step: value 200 in image 1 of the batch is outside [0, 1]", argument_error);
  CHECK(metrics.count == 0);
}

}  // namespace step_test
