#include <advprop/robustness/square.hpp>

#include "trained.hpp"

namespace square_test {

using namespace harness;

namespace {
constexpr attack::norm norms[] = {attack::norm::linf, attack::norm::l2};

float strength(attack::norm n) { return n == attack::norm::l2 ? 160.f : 24.f; }

}  // namespace

TEST_CASE("The squares' area follows the original's schedule, cut off or stretched") {
  const square s{.queries = 5000};
  for (const auto& [query, halvings] : std::vector<std::pair<int, int>>{
           {0, 0}, {10, 0}, {11, 1}, {50, 1}, {51, 2}, {201, 3}, {501, 4}, {1001, 5}, {2001, 6}, {4001, 7}, {4999, 7}})
    CHECK(s.area_at(query) == doctest::Approx(0.8 / (1 << halvings)));
  const square t{.queries = 100, .stretched = true};
  CHECK(t.area_at(0) == doctest::Approx(0.8));
  CHECK(t.area_at(1) == doctest::Approx(0.8 / 4));
  CHECK(t.area_at(20) == doctest::Approx(0.8 / 32));
  CHECK(t.area_at(99) == doctest::Approx(0.8 / 512));
}

TEST_CASE("The L2 pattern has length 1 and two bumps of opposite signs") {
  for (const int side : {1, 2, 3, 4, 7, 15}) {
    const auto pattern = robustness::detail::bumps(side);
    double squares = 0;
    for (const float p : pattern) squares += double(p) * double(p);
    CHECK(squares == doctest::Approx(1));
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x)
        CHECK(pattern[static_cast<std::size_t>(y * side + x)] * (y < side / 2 ? 1 : -1) >= 0);
  }
  // In the middle of its half a bump is highest: 1 + 1/4 + 1/9 + 1/16, of which 1 stands there alone.
  const auto seven = robustness::detail::bumps(7);
  CHECK(seven[1 * 7 + 3] / seven[1 * 7 + 2] ==
        doctest::Approx((1 + 1 / 4. + 1 / 9. + 1 / 16.) / (1 / 4. + 1 / 9. + 1 / 16.)));
}

TEST_CASE("Images lie in the ball and in [0, 1], fooled ones are misclassified, and Square fools some") {
  two& m = trained();
  const snapshot before(m);
  for (const domain through : {main_domain, auxiliary})
    for (const attack::norm norm : norms) {
      attacked_model target(m, through);
      auto x = patterns(16, 4).clean;
      for (int i = 0; i < x.size(); i += 7) x.data()[i] = static_cast<float>(i % 2);
      owned_batch b(x, predictions(target, x));
      const square a{.epsilon = strength(norm), .norm = norm, .queries = 60, .restarts = 2, .stretched = true};
      CHECK(a.run(target, b).attacked == 16);
      check_inside(b, strength(norm) / 255, norm == attack::norm::l2);
      INFO("left ", b.left());
      CHECK(b.left() < 16);
      const auto claimed = b.robust;
      judge(target, b);
      CHECK(b.robust == claimed);
    }
  CHECK(snapshot(m) == before);
}

TEST_CASE("Square fools no image whose distance to another class is above epsilon, and some of the others") {
  cpu d(1);
  linear_model<4> m(d, seed{2});
  centre(m);
  attacked_model target(m);
  // The image is one pixel of twelve channels: each query draws one of the ball's 4096 corners.
  owned_batch flat(points(50), predictions(target, points(50)));
  for (const attack::norm norm : norms) {
    const auto far = distances(m, flat, norm == attack::norm::l2);
    const float pixels = norm == attack::norm::l2 ? 15.f : 6.f;
    owned_batch b = flat;
    square{.epsilon = pixels, .norm = norm, .queries = 400}.run(target, b);
    int missed = 0, reachable = 0;
    for (std::size_t i = 0; i < far.size(); ++i) {
      const bool can = far[i] * 255 < double(pixels);
      if (!b.robust[i]) CHECK(can);
      reachable += can;
      missed += can && b.robust[i];
    }
    INFO("missed ", missed, " of ", reachable);
    CHECK((reachable > 5 && reachable < 50));
    if (norm == attack::norm::linf) CHECK(missed <= reachable / 2);
  }
}

TEST_CASE("Epsilon 0 returns the images bit for bit; alone or in a batch, one thread or two, the bits are the same") {
  two& m = trained();
  cpu other(2);
  two n(other);
  std::ranges::copy(m.values(), n.values().begin());
  std::ranges::copy(m.running(), n.running().begin());
  attacked_model target(m), threaded(n);
  const auto x = patterns(24, 4).clean;
  const auto y = predictions(target, x);
  for (const attack::norm norm : norms) {
    owned_batch none(x, y);
    none.images.data()[3] = -0.f;
    const auto before = none.images;
    square{.epsilon = 0, .norm = norm}.run(target, none);
    CHECK(same_bits(none.images, before));
    CHECK(none.left() == 24);

    int left = 0;
    for (const float factor : {1.f, 1.6f}) {
      const square a{.epsilon = factor * strength(norm), .norm = norm, .queries = 60, .restarts = 2, .stretched = true};
      owned_batch all(x, y), again(x, y);
      a.run(target, all);
      a.run(threaded, again);
      CHECK(same_bits(all.images, again.images));
      CHECK(all.robust == again.robust);
      left += all.left();
      for (int i = 0; i < 24; ++i) {
        owned_batch alone = all.part(i, 1);
        a.run(target, alone);
        CHECK(same_bits(alone.images, std::span(all.images.data() + i * 64, 64)));
      }
    }
    CHECK((left > 0 && left < 48));
  }
}

TEST_CASE("Square refuses values that make no sense, and networks whose logits are no numbers") {
  cpu d(1);
  linear_model<4> m(d);
  attacked_model target(m);
  owned_batch b(points(3), labels(3));
  const auto check = [&](const square& a, const char* text) {
    CHECK_THROWS_WITH_AS(a.run(target, b), doctest::Contains(text), argument_error);
  };
  check({.epsilon = -2}, "square: epsilon is -2");
  check({.queries = 0}, "square: queries is 0, must be 1 or more");
  check({.restarts = -1}, "square: restarts is -1");
  check({.area = 0}, "square: area is 0");
  m[m.table()[1]][2] = NAN;
  CHECK_THROWS_WITH_AS(square{}.run(target, b), "robustness: logit 2 of an image is NaN or infinite", numeric_error);
}

}  // namespace square_test
