#include <advprop/ops/cpu.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "each_set.hpp"
#include "maps.hpp"

namespace loss_test {

using namespace advprop;
using maps::map;

namespace {

/// -sum(target * log(softmax)), the mean over the batch, as it is written down.
double reference(const map& z, const std::vector<int>& labels, double smoothing) {
  double loss = 0;
  for (int n = 0; n < z.batch; ++n) {
    double sum = 0;
    for (int k = 0; k < z.channels; ++k) sum += std::exp(double(z(n, k)));
    for (int k = 0; k < z.channels; ++k) {
      const double target = (k == labels[std::size_t(n)] ? 1 - smoothing : 0) + smoothing / z.channels;
      loss -= target * (double(z(n, k)) - std::log(sum)) / z.batch;
    }
  }
  return loss;
}

std::vector<int> some_labels(int batch, int classes) {
  std::vector<int> labels(std::size_t(batch), 0);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = int(i * 7 + 2) % classes;
  return labels;
}
const_label_view as_view(const std::vector<int>& labels) { return {labels.data(), {int(labels.size())}}; }

}  // namespace

TEST_EACH_SET("Cross entropy equals its definition, and its gradient central differences, with and without smoothing") {
  cpu d(2, tested);
  for (int classes : {1, 2, 5, 8, 13, 100})
    for (float smoothing : {0.f, 0.1f, 1.f}) {
      CAPTURE(classes);
      CAPTURE(smoothing);
      map z = map::random(6, classes, 1, 1, 1, 2.f), dz = z.like();
      const auto labels = some_labels(6, classes);
      const loss_result r = cross_entropy(d, z, as_view(labels), smoothing, 2.5f, dz);
      CHECK(r.loss == doctest::Approx(reference(z, labels, double(smoothing))).epsilon(1e-9));
      CHECK(dz.pads_are_zero());
      const auto loss = [&] { return 2.5 * cross_entropy(d, z, as_view(labels), smoothing, 2.5f, {}).loss; };
      CHECK(maps::error(dz, [&](int n, int k, int, int) { return maps::slope(z(n, k), 1e-3f, loss); }) < 1e-6);

      map over = z;
      CHECK(cross_entropy(d, over, as_view(labels), smoothing, 2.5f, over).loss == r.loss);
      CHECK(maps::same_bits(over, dz));
    }
}

TEST_EACH_SET("Soft targets: the definition, central differences, one-hot as hard, hits counted by the label") {
  cpu d(2, tested);
  for (int classes : {2, 5, 8, 13})
    for (float smoothing : {0.f, 0.1f}) {
      map z = map::random(6, classes, 1, 1, 1, 2.f), dz = z.like(), hard = z.like();
      const auto labels = some_labels(6, classes);
      tensor<float, 2> shares({6, classes}), one_hot({6, classes});
      random_stream r(3);
      for (int n = 0; n < 6; ++n) {
        float sum = 0;
        for (int k = 0; k < classes; ++k) sum += shares(n, k) = r.uniform();
        for (int k = 0; k < classes; ++k) shares(n, k) *= (n == 5 ? 0.5f : 1.f) / sum;  // the last one adds up to 1/2
        one_hot(n, labels[std::size_t(n)]) = 1;
      }
      const auto loss = [&] {
        return 2.5 * cross_entropy(d, z, {as_view(labels), shares.view()}, smoothing, 2.5f, {}).loss;
      };
      double expected = 0;
      for (int n = 0; n < 6; ++n) {
        double sum = 0;
        for (int k = 0; k < classes; ++k) sum += std::exp(double(z(n, k)));
        for (int k = 0; k < classes; ++k)
          expected -= ((1 - double(smoothing)) * double(shares(n, k)) + double(smoothing) / classes) *
                      (double(z(n, k)) - std::log(sum)) / 6;
      }
      const loss_result soft = cross_entropy(d, z, {as_view(labels), shares.view()}, smoothing, 2.5f, dz),
                        plain = cross_entropy(d, z, as_view(labels), smoothing, 2.5f, hard);
      CHECK(soft.loss == doctest::Approx(expected).epsilon(1e-9));
      CHECK(dz.pads_are_zero());
      CHECK(maps::error(dz, [&](int n, int k, int, int) { return maps::slope(z(n, k), 1e-3f, loss); }) < 1e-6);
      CHECK((soft.correct == plain.correct && soft.correct_top5 == plain.correct_top5));
      CHECK(cross_entropy(d, z, {as_view(labels), one_hot.view()}, smoothing, 2.5f, dz).loss ==
            doctest::Approx(plain.loss).epsilon(1e-12));
      CHECK(maps::same_bits(dz, hard));
    }
  map z = map::zero(1, 3, 1, 1);
  z(0, 1) = -INFINITY;  // a class without a share may be ruled out
  const std::vector<int> label{0};
  const std::vector<float> shares{0.75f, 0, 0.25f};
  CHECK(cross_entropy(d, z, {as_view(label), {shares.data(), {1, 3}}}, 0, 1, {}).loss ==
        doctest::Approx(std::log(2.0)));
}

TEST_EACH_SET(
    "The worst class for an attack is neither the label nor a mixture's second class, where a third is left") {
  cpu d(1, tested);
  map z = map::zero(3, 4, 1, 1);
  for (int n = 0; n < 3; ++n)
    for (int k = 0; k < 4; ++k) z(n, k) = float(k);
  const std::vector<int> labels{0, 1, 0};
  const std::vector<float> shares{0.7f, 0.3f, 0, 0, 0.3f, 0.7f, 0, 0, 1, 0, 0, 0};
  std::vector<int> worst(3);
  predict_worst(d, z, {worst.data(), {3}});
  CHECK(worst == std::vector<int>{0, 0, 0});
  predict_worst(d, z, {worst.data(), {3}}, as_view(labels));
  CHECK(worst == std::vector<int>{1, 0, 1});
  predict_worst(d, z, {worst.data(), {3}}, {as_view(labels), {shares.data(), {3, 4}}});
  CHECK(worst == std::vector<int>{2, 2, 1});
  map two = map::zero(1, 2, 1, 1);
  predict_worst(d, two, {worst.data(), {1}}, {{labels.data(), {1}}, {shares.data(), {1, 2}}});
  CHECK(worst[0] == 1);
}

TEST_EACH_SET("Huge logits neither overflow nor lose the loss") {
  cpu d(1, tested);
  map z = map::zero(2, 3, 1, 1), dz = z.like();
  z(0, 0) = 1e30f, z(0, 1) = -1e30f, z(1, 0) = 3e4f, z(1, 1) = 3e4f, z(1, 2) = 3e4f;
  const std::vector<int> labels{0, 1};
  const loss_result r = cross_entropy(d, z, as_view(labels), 0, 1, dz);
  CHECK(r.loss == doctest::Approx(std::log(3.0) / 2));
  CHECK(dz(0, 0) == 0);
  CHECK(dz(1, 1) == doctest::Approx((1.0 / 3 - 1) / 2));
  z(0, 1) = -INFINITY;
  CHECK(cross_entropy(d, z, as_view(labels), 0, 1, dz).loss == doctest::Approx(std::log(3.0) / 2));
}

TEST_EACH_SET("A NaN logit makes the loss NaN and is not a hit") {
  cpu d(1, tested);
  for (int where : {0, 1, 2}) {
    map z = map::zero(2, 3, 1, 1), dz = z.like();
    z(0, where) = NAN;
    const std::vector<int> labels{1, 0};
    const loss_result r = cross_entropy(d, z, as_view(labels), 0.1f, 1, dz);
    CHECK(std::isnan(r.loss));
    CHECK(r.correct == 1);
    CHECK(r.correct_top5 == 1);
    std::vector<int> best(2), worst(2);
    predict(d, z, {best.data(), {2}});
    predict_worst(d, z, {worst.data(), {2}});
    CHECK((best[0] >= 0 && best[0] < 3 && worst[0] >= 0 && worst[0] < 3));
  }
}

TEST_EACH_SET("Top-1 and top-5 hits count a tie for the lower class") {
  cpu d(1, tested);
  map z = map::zero(4, 10, 1, 1);
  for (int n = 0; n < 4; ++n)
    for (int k = 0; k < 10; ++k) z(n, k) = float(-k);  // the label's rank is the label
  z(2, 5) = z(2, 4);                                   // tied, but class 4 comes first
  const auto hits = [&](std::vector<int> labels) {
    const loss_result r = cross_entropy(d, z, as_view(labels), 0, 1, {});
    return std::array{r.correct, r.correct_top5};
  };
  CHECK(hits({0, 0, 0, 0}) == std::array{4, 4});
  CHECK(hits({0, 4, 4, 5}) == std::array{1, 3});
  CHECK(hits({1, 5, 5, 9}) == std::array{0, 1});
  map equal = map::zero(2, 3, 1, 1);
  const std::vector<int> labels{0, 2};
  const loss_result r = cross_entropy(d, equal, as_view(labels), 0, 1, {});
  CHECK(r.correct == 1);
  CHECK(r.correct_top5 == 2);  // fewer than five classes
}

TEST_EACH_SET("Softmax sums to one, and the best and the least likely class are the first of their kind") {
  cpu d(2, tested);
  const map z = map::random(5, 13, 1, 1, 1, 3.f);
  std::vector<float> p(5 * 13, NAN);
  softmax(d, z, {p.data(), {5, 13}});
  std::vector<int> best(5), worst(5);
  predict(d, z, {best.data(), {5}});
  predict_worst(d, z, {worst.data(), {5}});
  for (int n = 0; n < 5; ++n) {
    double total = 0, sum = 0;
    int high = 0, low = 0;
    for (int k = 0; k < 13; ++k) {
      total += std::exp(double(z(n, k)));
      high = z(n, k) > z(n, high) ? k : high;
      low = z(n, k) < z(n, low) ? k : low;
    }
    for (int k = 0; k < 13; ++k) {
      const float value = p[std::size_t(n * 13 + k)];
      sum += value;
      CHECK(value == doctest::Approx(std::exp(double(z(n, k))) / total).epsilon(1e-6));
    }
    CHECK(sum == doctest::Approx(1));
    CHECK(best[std::size_t(n)] == high);
    CHECK(worst[std::size_t(n)] == low);
  }
  const map equal = map::zero(5, 13, 1, 1);  // pad lanes are equal too and must not be chosen
  predict(d, equal, {best.data(), {5}});
  predict_worst(d, equal, {worst.data(), {5}});
  CHECK(best == std::vector<int>(5, 0));
  CHECK(worst == std::vector<int>(5, 0));
  map negative = map::zero(1, 5, 1, 1), positive = negative;
  for (int k = 0; k < 5; ++k) negative(0, k) = float(k - 9), positive(0, k) = float(9 - k);
  predict(d, negative, {best.data(), {1}});
  predict_worst(d, positive, {worst.data(), {1}});
  CHECK(best[0] == 4);
  CHECK(worst[0] == 4);
}

TEST_EACH_SET("The loss and its gradient have the same bits at any thread count") {
  const map z = map::random(101, 13, 1, 1, 1, 3.f);
  const auto labels = some_labels(101, 13);
  cpu one(1, tested), three(3, tested);
  map a = z.like(), b = z.like();
  CHECK(cross_entropy(one, z, as_view(labels), 0.1f, 1, a).loss ==
        cross_entropy(three, z, as_view(labels), 0.1f, 1, b).loss);
  CHECK(maps::same_bits(a, b));
}

}  // namespace loss_test
