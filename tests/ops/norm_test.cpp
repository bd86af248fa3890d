#include <advprop/ops/cpu.hpp>

#include <array>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "each_set.hpp"
#include "maps.hpp"

namespace norm_test {

using namespace advprop;
using maps::map;

namespace {

/// Batch norm in double, NCHW.
struct reference {
  std::vector<double> mean, variance;

  explicit reference(const map& x) : mean(std::size_t(x.channels)), variance(std::size_t(x.channels)) {
    const double count = double(x.batch) * x.height * x.width;
    x.each_index([&](int n, int c, int h, int w) { mean[std::size_t(c)] += x(n, c, h, w) / count; });
    x.each_index([&](int n, int c, int h, int w) {
      variance[std::size_t(c)] += std::pow(x(n, c, h, w) - mean[std::size_t(c)], 2) / count;
    });
  }
};

double activate(activation a, double v) {
  if (a == activation::silu) return v / (1 + std::exp(-v));
  if (a == activation::identity) return v;
  return std::min(std::max(v, 0.0), a == activation::relu6 ? 6.0 : HUGE_VAL);
}

struct affine {
  std::vector<float> mean, variance, scale, shift;
  /// For relu6 with wide scales, so that some results lie beyond 6.
  affine(int channels, std::uint64_t seed, activation a = activation::identity)
      : mean(maps::normals(channels, seed, 0.3f)),
        variance(maps::normals(channels, seed + 1, 0.1f, 1.2f)),
        scale(maps::normals(channels, seed + 2, 0.5f, 1.f)),
        shift(maps::normals(channels, seed + 3, 0.5f)) {
    if (a == activation::relu6)
      for (float& s : scale) s *= 4;
  }
  norm_parameters parameters() const { return {mean.data(), variance.data(), scale.data(), shift.data(), 1e-3f}; }
};

/// One element of the forward, in double, with statistics given.
double forward(activation a, const map& x, const map* add, const affine& p, const std::vector<double>& mean,
               const std::vector<double>& variance, int n, int c, int h, int w) {
  const auto k = std::size_t(c);
  const double v =
      (x(n, c, h, w) - mean[k]) / std::sqrt(variance[k] + double(p.parameters().epsilon)) * double(p.scale[k]) +
      double(p.shift[k]);
  return activate(a, v + (add ? double((*add)(n, c, h, w)) : 0.0));
}
std::vector<double> wide(const std::vector<float>& v) { return {v.begin(), v.end()}; }

/// sum(forward * weights): what the finite differences differentiate.
double objective(activation a, statistics s, const map& x, const map* add, const affine& p, const map& weights) {
  const reference r(x);
  const auto mean = s == statistics::batch ? r.mean : wide(p.mean);
  const auto variance = s == statistics::batch ? r.variance : wide(p.variance);
  double sum = 0;
  x.each_index([&](int n, int c, int h, int w) {
    sum += forward(a, x, add, p, mean, variance, n, c, h, w) * double(weights(n, c, h, w));
  });
  return sum;
}

constexpr std::array<activation, 4> activations{activation::identity, activation::relu, activation::silu,
                                                activation::relu6};
constexpr std::array<statistics, 2> sources{statistics::batch, statistics::running};
constexpr std::array<std::array<int, 4>, 7> shapes{
    {{1, 5, 1, 1}, {3, 5, 5, 7}, {130, 8, 1, 1}, {67, 13, 4, 4}, {2, 16, 40, 40}, {5, 20, 12, 11}, {9, 3, 16, 16}}};

struct gradients {
  map dx, dadd;
  std::vector<float> dscale, dshift;
};
gradients backward(cpu& d, activation a, statistics s, const map& x, const map* add, const affine& p, const map& dy) {
  map y = x.like();
  norm_forward(d, a, x, p.parameters(), add ? feature_view<const float>(*add) : feature_view<const float>{}, y);
  gradients g{x.like(), x.like(), maps::normals(x.channels, 50), maps::normals(x.channels, 51)};
  norm_backward(d, a, s, x, y, dy, add ? feature_view<const float>(*add) : feature_view<const float>{}, p.parameters(),
                g.dx, add ? feature_view<float>(g.dadd) : feature_view<float>{}, g.dscale.data(), g.dshift.data());
  return g;
}

}  // namespace

TEST_EACH_SET("Batch statistics equal those in double precision on every shape") {
  cpu d(2, tested);
  for (const auto& [n, c, h, w] : shapes) {
    const map x = map::random(n, c, h, w, 7, 2.f, 0.5f);
    const reference r(x);
    std::vector<float> mean(std::size_t(c), NAN), variance(std::size_t(c), NAN);
    norm_statistics(d, x, mean.data(), variance.data());
    for (std::size_t k = 0; k < mean.size(); ++k) {
      CHECK(mean[k] == doctest::Approx(r.mean[k]).epsilon(2e-6));
      CHECK(variance[k] == doctest::Approx(r.variance[k]).epsilon(5e-6));
      CHECK(variance[k] >= 0);
    }
  }
}

TEST_EACH_SET("A small variance about a large mean, and behind an outlying first value, is not lost") {
  cpu d(2, tested);
  map x = map::random(16, 5, 20, 20, 3, 0.01f, 1000.f);
  x.each([first = true](float& v) mutable { v = first ? 0.f : v, first = false; });  // channel 0: one far outlier
  const reference r(x);
  std::vector<float> mean(5), variance(5);
  norm_statistics(d, x, mean.data(), variance.data());
  for (std::size_t k = 0; k < 5; ++k) {
    CHECK(mean[k] == doctest::Approx(r.mean[k]).epsilon(1e-7));
    CHECK(variance[k] == doctest::Approx(r.variance[k]).epsilon(1e-4));
  }
  map drift = map::random(1, 8, 64, 64, 4, 0.01f, 1000.f);  // the first pixel tells nothing of the others
  for (int c = 0; c < 8; ++c) drift(0, c, 0, 0) = 990;
  const reference q(drift);
  std::vector<float> drift_mean(8), drift_variance(8);
  norm_statistics(d, drift, drift_mean.data(), drift_variance.data());
  for (std::size_t k = 0; k < 8; ++k) CHECK(drift_variance[k] == doctest::Approx(q.variance[k]).epsilon(2e-6));
  map constant = map::zero(4, 3, 17, 17);
  constant.each([](float& e) { e = 3.1f; });
  norm_statistics(d, constant, mean.data(), variance.data());
  CHECK(mean[2] == 3.1f);
  CHECK(variance[2] == 0.f);
}

TEST_EACH_SET("A NaN in the input makes the statistics of its channel NaN and of no other") {
  cpu d(1, tested);
  map x = map::random(4, 6, 8, 8, 3);
  x(2, 3, 4, 5) = NAN;
  std::vector<float> mean(6), variance(6);
  norm_statistics(d, x, mean.data(), variance.data());
  for (std::size_t k = 0; k < 6; ++k) {
    CHECK(std::isnan(mean[k]) == (k == 3));
    CHECK(std::isnan(variance[k]) == (k == 3));
  }
}

TEST_EACH_SET("Running statistics move by the momentum, the variance made unbiased") {
  cpu d(1, tested);
  const std::vector<float> mean{2, 4}, variance{3, 6};
  std::vector<float> running_mean{1, 1}, running_variance{1, 2};
  norm_update_running(d, 2, mean.data(), variance.data(), 4, 0.25f, running_mean.data(), running_variance.data());
  CHECK(running_mean == std::vector<float>{1.25f, 1.75f});
  CHECK(running_variance == std::vector<float>{0.75f + 0.25f * 4, 1.5f + 0.25f * 8});
}

TEST_EACH_SET("The forward equals the formula for every activation, with an add and without, in place and not") {
  cpu d(2, tested);
  for (const auto& [n, c, h, w] : shapes)
    for (activation a : activations)
      for (bool with_add : {false, true}) {
        const affine p(c, 11, a);
        const map x = map::random(n, c, h, w, 1, 2.f), add = map::random(n, c, h, w, 2, 2.f);
        const auto added = with_add ? feature_view<const float>(add) : feature_view<const float>{};
        map y = x.like();
        norm_forward(d, a, x, p.parameters(), added, y);
        CHECK(maps::error(y, [&](int i, int j, int k, int l) {
                return forward(a, x, with_add ? &add : nullptr, p, wide(p.mean), wide(p.variance), i, j, k, l);
              }) < 2e-6);
        CHECK(y.pads_are_zero());
        map over_x = x;
        norm_forward(d, a, over_x, p.parameters(), added, over_x);
        CHECK(maps::same_bits(over_x, y));
        if (with_add) {
          map over_add = add;
          norm_forward(d, a, x, p.parameters(), over_add, over_add);
          CHECK(maps::same_bits(over_add, y));
        }
      }
}

TEST_EACH_SET(
    "Statistics and forward in one operation have the bits of the two, in place and not, at any thread count") {
  for (const auto& [n, c, h, w] : shapes)
    for (activation a : activations)
      for (bool with_add : {false, true})
        for (int threads : {1, 2, 3}) {
          CAPTURE(int(a));
          CAPTURE(threads);
          cpu d(threads, tested), other(threads, tested);  // whose memory holds no numbers of the first one's
          affine p(c, 11, a);
          const map x = map::random(n, c, h, w, 1, 2.f), add = map::random(n, c, h, w, 2, 2.f);
          const auto added = with_add ? feature_view<const float>(add) : feature_view<const float>{};
          norm_statistics(d, x, p.mean.data(), p.variance.data());
          map expected = x.like(), y = x.like(), over = x;
          norm_forward(d, a, x, p.parameters(), added, expected);
          for (const bool in_place : {false, true}) {
            affine q(c, 11, a);
            norm_forward_batch(other, a, in_place ? over : x, q.mean.data(), q.variance.data(), q.parameters(), added,
                               in_place ? over : y);
            CHECK(maps::same_bits(in_place ? over : y, expected));
            CHECK(maps::same_bits(q.mean, p.mean));
            CHECK(maps::same_bits(q.variance, p.variance));
          }
        }
}

TEST_EACH_SET("A channel block that the cache does not hold is shared out by images, with the same bits") {
  const auto pixels = static_cast<int>(advprop::detail::second_level_cache() / 32);  // of one block's 8 floats
  const int n = 5, c = 16, w = 64, h = pixels / (n * w) + 1;
  const affine p(c, 11, activation::relu);
  const map x = map::random(n, c, h, w, 1, 2.f), dy = map::random(n, c, h, w, 2);
  cpu single(1, tested);
  affine q = p;
  map expected = x.like();
  norm_statistics(single, x, q.mean.data(), q.variance.data());
  norm_forward(single, activation::relu, x, q.parameters(), {}, expected);
  const gradients g = backward(single, activation::relu, statistics::batch, x, nullptr, q, dy);
  for (int threads : {1, 2, 3}) {
    CAPTURE(threads);
    cpu d(threads, tested);
    affine r = p;
    map y = x.like();
    norm_forward_batch(d, activation::relu, x, r.mean.data(), r.variance.data(), r.parameters(), {}, y);
    CHECK(maps::same_bits(r.mean, q.mean));
    CHECK(maps::same_bits(r.variance, q.variance));
    CHECK(maps::same_bits(y, expected));
    const gradients more = backward(d, activation::relu, statistics::batch, x, nullptr, q, dy);
    CHECK(maps::same_bits(more.dx, g.dx));
    CHECK(maps::same_bits(more.dscale, g.dscale));
    CHECK(maps::same_bits(more.dshift, g.dshift));
  }
}

TEST_EACH_SET("A NaN passes through relu, silu and relu6") {
  cpu d(1, tested);
  const affine p(3, 1);
  map x = map::zero(1, 3, 1, 1), y = x;
  x(0, 1) = NAN;
  for (activation a : activations) {
    norm_forward(d, a, x, p.parameters(), {}, y);
    CHECK(std::isnan(y(0, 1)));
    CHECK(!std::isnan(y(0, 0)));
  }
}

TEST_EACH_SET("The backward equals central differences of the forward in double precision") {
  cpu d(2, tested);
  for (int channels : {5, 8, 13})
    for (activation a : activations)
      for (statistics s : sources)
        for (bool with_add : {false, true}) {
          CAPTURE(channels);
          CAPTURE(int(a));
          CAPTURE(int(s));
          CAPTURE(with_add);
          map x = map::random(2, channels, 3, 2, 21, 1.5f, 0.4f), add = map::random(2, channels, 3, 2, 22);
          const map dy = map::random(2, channels, 3, 2, 23);
          affine p(channels, 24, a);
          if (s == statistics::batch) norm_statistics(d, x, p.mean.data(), p.variance.data());
          const map* added = with_add ? &add : nullptr;
          const gradients g = backward(d, a, s, x, added, p, dy);
          const auto loss = [&] { return objective(a, s, x, added, p, dy); };
          CHECK(maps::error(g.dx, [&](int i, int j, int k, int l) { return maps::slope(x(i, j, k, l), 2e-5f, loss); }) <
                2e-5);
          CHECK(g.dx.pads_are_zero());
          if (with_add) {
            CHECK(maps::error(g.dadd, [&](int i, int j, int k, int l) {
                    return maps::slope(add(i, j, k, l), 2e-5f, loss);
                  }) < 2e-5);
            CHECK(g.dadd.pads_are_zero());
          }
          const auto scale0 = maps::normals(channels, 50), shift0 = maps::normals(channels, 51);
          for (std::size_t c = 0; c < std::size_t(channels); ++c) {
            CHECK(g.dscale[c] - scale0[c] == doctest::Approx(maps::slope(p.scale[c], 2e-5f, loss)).epsilon(1e-4));
            CHECK(g.dshift[c] - shift0[c] == doctest::Approx(maps::slope(p.shift[c], 2e-5f, loss)).epsilon(1e-4));
          }
        }
}

TEST_EACH_SET("The backward in place equals the backward beside it, and reads nothing it need not") {
  cpu d(2, tested);
  for (const auto& [n, c, h, w] : shapes)
    for (activation a : activations)
      for (statistics s : sources)
        for (bool with_add : {false, true}) {
          CAPTURE(int(a));
          CAPTURE(int(s));
          CAPTURE(with_add);
          const affine p(c, 31, a);
          const map x = map::random(n, c, h, w, 1), add = map::random(n, c, h, w, 2), dy = map::random(n, c, h, w, 3);
          const gradients g = backward(d, a, s, x, with_add ? &add : nullptr, p, dy);
          map y = x.like();
          const auto added = with_add ? feature_view<const float>(add) : feature_view<const float>{};
          norm_forward(d, a, x, p.parameters(), added, y);
          const feature_view<const float> none{}, read_y = slope_from_output(a) ? y : none,
                                                  read_add = a == activation::silu ? added : none;

          gradients over{dy, x.like(), maps::normals(c, 50), maps::normals(c, 51)};
          norm_backward(d, a, s, x, read_y, over.dx, read_add, p.parameters(), over.dx,
                        with_add ? feature_view<float>(over.dadd) : feature_view<float>{}, over.dscale.data(),
                        over.dshift.data());
          CHECK(maps::same_bits(over.dx, g.dx));
          CHECK(maps::same_bits(over.dscale, g.dscale));
          CHECK(maps::same_bits(over.dshift, g.dshift));
          if (with_add) {
            CHECK(maps::same_bits(over.dadd, g.dadd));
            gradients over_add{x.like(), dy, {}, {}};
            norm_backward(d, a, s, x, read_y, over_add.dadd, read_add, p.parameters(), over_add.dx, over_add.dadd,
                          nullptr, nullptr);
            CHECK(maps::same_bits(over_add.dx, g.dx));
            CHECK(maps::same_bits(over_add.dadd, g.dadd));
          }
          if (s == statistics::running && a != activation::silu) {
            map dx = x.like();
            norm_backward(d, a, s, none, read_y, dy, none, p.parameters(), dx, {}, nullptr, nullptr);
            CHECK(maps::same_bits(dx, g.dx));
          }
        }
}

TEST_EACH_SET("Statistics and gradients have the same bits at any thread count") {
  for (const auto& [n, c, h, w] : shapes)
    for (activation a : activations)
      for (statistics s : sources) {
        const map x = map::random(n, c, h, w, 1), add = map::random(n, c, h, w, 2), dy = map::random(n, c, h, w, 3);
        std::vector<gradients> g;
        std::vector<affine> p;
        for (int threads : {1, 3}) {
          cpu d(threads, tested);
          affine q(c, 31, a);
          norm_statistics(d, x, q.mean.data(), q.variance.data());
          g.push_back(backward(d, a, s, x, &add, q, dy));
          p.push_back(q);
        }
        CHECK(maps::same_bits(p[0].mean, p[1].mean));
        CHECK(maps::same_bits(p[0].variance, p[1].variance));
        CHECK(maps::same_bits(g[0].dx, g[1].dx));
        CHECK(maps::same_bits(g[0].dadd, g[1].dadd));
        CHECK(maps::same_bits(g[0].dscale, g[1].dscale));
        CHECK(maps::same_bits(g[0].dshift, g[1].dshift));
      }
}

}  // namespace norm_test
