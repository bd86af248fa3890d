#include <advprop/training/metrics.hpp>

#include <cmath>

#include <doctest/doctest.h>

namespace metrics_test {

using namespace advprop;

TEST_CASE("A tally weighs batches by their images") {
  tally t;
  CHECK(t.loss() == 0);
  CHECK(t.accuracy() == 0);
  t.add({2.0, 3, 4}, 4);
  t.add({1.0, 0, 2}, 12);
  CHECK(t.images == 16);
  CHECK(t.loss() == doctest::Approx((2.0 * 4 + 1.0 * 12) / 16));
  CHECK(t.accuracy() == doctest::Approx(3.0 / 16));
  CHECK(t.accuracy_top5() == doctest::Approx(6.0 / 16));
  tally u = t;
  u += t;
  CHECK(u.images == 32);
  CHECK(u.loss() == t.loss());
}

TEST_CASE("Metrics add up part by part, and a NaN or infinite loss of any part shows") {
  step_metrics a, b;
  a.count = 1;
  a.parts[0].add({1.5, 1, 1}, 2);
  b.count = 2;
  b.parts[0].add({0.5, 0, 1}, 2);
  b.parts[1].add({3.0, 2, 2}, 4);
  a += b;
  CHECK(a.count == 2);
  CHECK(a.parts[0].loss() == 1);
  CHECK(a.parts[1].loss() == 3);
  CHECK(a.finite());
  b.parts[1].add({NAN, 0, 0}, 1);
  CHECK(!b.finite());
  a.parts[routing::limit - 1].add({INFINITY, 0, 0}, 1);
  CHECK(!a.finite());
  for (const int part : {-1, int{routing::limit}})
    CHECK_THROWS_WITH_AS(a.add(part, loss_result{}, 1), doctest::Contains("step_metrics: there is no part "),
                         argument_error);
}

}  // namespace metrics_test
