#include <advprop/robustness/apgd.hpp>
#include <advprop/robustness/fab.hpp>

#include "trained.hpp"

namespace fab_test {

using namespace harness;

namespace {

constexpr attack::norm norms[] = {attack::norm::linf, attack::norm::l2};

float strength(attack::norm n) { return n == attack::norm::l2 ? 120.f : 20.f; }

/// What the step to the plane should be: t by bisection.
std::vector<double> stepped(std::span<const float> x, std::span<const float> w, double offset, bool euclidean,
                            double t) {
  std::vector<double> d(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (w[i] == 0) continue;
    const bool down = (offset > 0) == (w[i] > 0);
    const double reach = euclidean ? t * std::fabs(double(w[i])) : t;
    d[i] = down ? -std::min(reach, double(x[i])) : std::min(reach, 1 - double(x[i]));
  }
  return d;
}

double dot(const auto& a, const auto& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
  return sum;
}

}  // namespace

TEST_CASE("The step to a plane ends on it, inside [0, 1], and is the shortest") {
  random_stream r(5);
  robustness::detail::projection project;
  int bounded = 0, unreachable = 0;
  for (const attack::norm norm : norms)
    for (int trial = 0; trial < 300; ++trial) {
      const auto n = static_cast<std::size_t>(1 + r.below(40));
      std::vector<float> x(n), w(n), d(n, 7.f);
      for (float& v : x) v = r.below(4) == 0 ? static_cast<float>(r.below(2)) : r.uniform();
      for (float& v : w) v = r.below(5) == 0 ? 0.f : r.uniform(-1, 1);
      const double offset = double(r.uniform(-1, 1)) * 0.15 * double(n);
      project(x, w, offset, norm, d);
      for (std::size_t i = 0; i < n; ++i) CHECK((x[i] + d[i] >= 0 && x[i] + d[i] <= 1));
      const bool euclidean = norm == attack::norm::l2;
      double low = 0, high = 1e6;
      for (int k = 0; k < 200; ++k) {
        const double t = (low + high) / 2;
        (std::fabs(dot(w, stepped(x, w, offset, euclidean, t))) < std::fabs(offset) ? low : high) = t;
      }
      const auto expected = stepped(x, w, offset, euclidean, high);
      const double moved = dot(w, d);
      bool reached = std::fabs(dot(w, expected)) >= std::fabs(offset) * (1 - 1e-9);
      if (reached) CHECK(moved == doctest::Approx(-offset).epsilon(1e-5));
      unreachable += !reached;
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(std::fabs(double(d[i]) - expected[i]) < 1e-5);
        bounded += reached && w[i] != 0 && (x[i] + d[i] == 0 || x[i] + d[i] == 1);
      }
    }
  CHECK(bounded > 200);
  CHECK(unreachable > 20);
  std::vector<float> x(3, 0.5f), w{1, -1, 0}, d(3, 7.f);
  project(x, w, 0, attack::norm::l2, d);
  CHECK(d == std::vector<float>(3, 0.f));
}

TEST_CASE("A linear classifier loses exactly the images whose distance to another class is below epsilon") {
  cpu device(1);
  linear_model<6> m(device, seed{2});
  centre(m);
  attacked_model target(m);
  for (const attack::norm norm : norms)
    for (const float pixels : {2.f, 6.f, 15.f}) {
      owned_batch b(points(60), predictions(target, points(60)));
      const bool euclidean = norm == attack::norm::l2;
      const auto far = distances(m, b, euclidean);
      fab{.epsilon = pixels, .norm = norm, .steps = 40}.run(target, b);
      check_inside(b, pixels / 255, euclidean);
      int robust = 0;
      for (std::size_t i = 0; i < far.size(); ++i) {
        const double ratio = far[i] * 255 / double(pixels);
        if (ratio < 0.99) CHECK(!b.robust[i]);
        if (ratio > 1.0001) CHECK(b.robust[i]);
        robust += b.robust[i];
      }
      CHECK((robust > 0 && robust < 60));
    }
}

TEST_CASE("Images lie in the ball and in [0, 1]; fooled ones are misclassified; the model is as before") {
  two& m = trained();
  const snapshot before(m);
  for (const domain through : {main_domain, auxiliary})
    for (const attack::norm norm : norms) {
      attacked_model target(m, through);
      owned_batch b = patterns(24, 4);
      for (int i = 0; i < b.clean.size(); i += 7) b.images.data()[i] = b.clean.data()[i] = static_cast<float>(i % 2);
      judge(target, b);
      const auto correct = b.left();
      const auto evidence = fab{.epsilon = strength(norm), .norm = norm, .steps = 8, .restarts = 2}.run(target, b);
      CHECK(evidence.attacked == correct);
      CHECK(evidence.zero_gradients == 0);
      CHECK(b.left() < correct);
      check_inside(b, strength(norm) / 255, norm == attack::norm::l2);
      const auto claimed = b.robust;
      judge(target, b);
      CHECK(b.robust == claimed);
    }
  CHECK(snapshot(m) == before);
}

TEST_CASE("FAB alone is about as strong as APGD with the targeted loss, on a trained network") {
  attacked_model target(trained());
  for (const attack::norm norm : norms)
    for (const float share : {0.8f, 1.f}) {
      owned_batch a = patterns(200, 4), b = a;
      judge(target, a);
      judge(target, b);
      apgd{.epsilon = share * strength(norm), .norm = norm, .steps = 40, .loss = apgd_loss::targeted_dlr}.run(target,
                                                                                                              a);
      fab{.epsilon = share * strength(norm), .norm = norm, .steps = 40}.run(target, b);
      INFO("APGD-T leaves ", a.left(), ", FAB-T ", b.left());
      CHECK((a.left() > 0 && a.left() < 190));
      CHECK(std::abs(a.left() - b.left()) <= 10);
    }
}

TEST_CASE("An image fares the same alone and in a batch; restarts use its own stream") {
  attacked_model target(trained());
  for (const attack::norm norm : norms) {
    const fab a{.epsilon = 0.9f * strength(norm), .norm = norm, .steps = 6, .restarts = 2};
    owned_batch all = patterns(24, 4);
    a.run(target, all);
    INFO("left ", all.left());
    CHECK((all.left() > 0 && all.left() < 24));
    for (int i = 0; i < 24; ++i) {
      owned_batch alone = all.part(i, 1);
      a.run(target, alone);
      CHECK(alone.robust[0] == all.robust[static_cast<std::size_t>(i)]);
      CHECK(same_bits(alone.images, std::span(all.images.data() + i * 64, 64)));
    }
  }
}

TEST_CASE("Nothing happens without epsilon; arguments that make no sense are refused") {
  attacked_model target(trained());
  owned_batch b = patterns(3, 4);
  CHECK(fab{.epsilon = 0}.run(target, b).attacked == 0);
  CHECK(same_bits(b.images, b.clean));
  const auto refused = [&](const fab& a) { CHECK_THROWS_AS(a.run(target, b), argument_error); };
  refused({.epsilon = -1});
  refused({.steps = 0});
  refused({.restarts = 0});
  refused({.targets = 0});
  refused({.overshoot = 0.5f});
  refused({.bias = NAN});
  refused({.retreat = 1});
  b.labels(1) = 4;
  refused({});
}

}  // namespace fab_test
