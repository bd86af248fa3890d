// mixup and CutMix: pixels, labels, distributions, and their place in the loader.
#include <advprop/data/mix.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/distributions.hpp>
#include <advprop/data/loader.hpp>

namespace mix_test {

using namespace advprop;

namespace {

constexpr int classes = 5;

/// Image i is all i / 16, its label i % 5.
image_batch numbered(int count, int height = 6, int width = 8, int channels = 2) {
  image_batch b;
  b.images.resize({count, height, width, channels});
  b.labels.resize({count});
  for (int i = 0; i < count; ++i) {
    std::fill_n(&b.images(i, 0, 0, 0), b.images.view().stride(), static_cast<float>(i) / 16);
    b.labels(i) = i % classes;
  }
  return b;
}
/// The share of an image's own label, where its partner's is another one.
float own_share(const image_batch& b, int i) { return b.soft(i, i % classes); }

/// Labels of mixed batches: they add up to 1, there are two classes at most, and the hard one has most.
void check_labels(const image_batch& b) {
  REQUIRE(b.soft.extents() == std::array{b.size(), classes});
  for (int i = 0; i < b.size(); ++i) {
    float sum = 0;
    int used = 0;
    for (int k = 0; k < classes; ++k) {
      CHECK(b.soft(i, k) >= 0);
      sum += b.soft(i, k);
      used += b.soft(i, k) > 0;
      CHECK(b.soft(i, k) <= b.soft(i, b.labels(i)));
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-6));
    CHECK((used == 1 || used == 2));
  }
}

dataset bytes(int count) {
  dataset d;
  d.classes = classes;
  d.image_shape = {1, 4, 4};
  for (int i = 0; i < count; ++i) {
    d.labels.push_back(i % classes);
    d.pixels.insert(d.pixels.end(), 16, static_cast<std::uint8_t>(i));
  }
  return d;
}
std::vector<float> take(loader& l, int count) {
  std::vector<float> v;
  for (int i = 0; i < count; ++i) {
    const image_batch& b = l.next();
    v.insert(v.end(), b.images.begin(), b.images.end());
    v.insert(v.end(), b.labels.begin(), b.labels.end());
    v.insert(v.end(), b.soft.begin(), b.soft.end());
  }
  return v;
}

}  // namespace

TEST_CASE("mixup blends every pixel with the partner's as it was, and the labels alike") {
  int lesser = 0;
  for (std::uint64_t s = 0; s < 20; ++s) {
    image_batch b = numbered(13);
    random_stream rng(s), same(s);
    mixup{1.f}(b, classes, rng);
    const float share = beta(same, 1, 1);
    const auto partner = detail::partners(13, same);
    CHECK(same.position() == rng.position());
    check_labels(b);
    for (int i = 0; i < 13; ++i) {
      const int other = partner[static_cast<std::size_t>(i)];
      const float value = share * static_cast<float>(i) / 16 + (1 - share) * static_cast<float>(other) / 16;
      for (int p = 0; p < 96; ++p) CHECK((&b.images(i, 0, 0, 0))[p] == doctest::Approx(value).epsilon(1e-6));
      const bool one = other % classes == i % classes;
      CHECK(own_share(b, i) == (one ? 1.f : share));
      CHECK(b.soft(i, other % classes) == (one ? 1.f : 1 - share));
      CHECK(b.labels(i) == (share < 0.5f ? other : i) % classes);
    }
    lesser += share < 0.5f;
  }
  CHECK((lesser > 0 && lesser < 20));
}

TEST_CASE("CutMix puts the partner's rectangle in, and the share is that of the pixels kept") {
  for (std::uint64_t s = 0; s < 60; ++s) {
    image_batch b = numbered(7, 12, 10, 1);
    random_stream rng(s), same(s);
    cutmix{1.f}(b, classes, rng);
    const double side = std::sqrt(1 - double(beta(same, 1, 1)));
    const auto partner = detail::partners(7, same);
    check_labels(b);
    const int half_height = int(12 * side) / 2, half_width = int(10 * side) / 2;
    const int y = same.below(12), x = same.below(10);
    for (int i = 0; i < 7; ++i) {
      const int other = partner[static_cast<std::size_t>(i)];
      int kept = 0;
      for (int row = 0; row < 12; ++row)
        for (int column = 0; column < 10; ++column) {
          const bool inside =
              row >= y - half_height && row < y + half_height && column >= x - half_width && column < x + half_width;
          CHECK(b.images(i, row, column, 0) == static_cast<float>(inside ? other : i) / 16);
          kept += !inside;
        }
      if (other % classes != i % classes) {
        CHECK(own_share(b, i) == doctest::Approx(kept / 120.0).epsilon(1e-6));
        CHECK(b.labels(i) == (kept < 60 ? other : i) % classes);
      }
    }
  }
}

TEST_CASE("The share follows Beta(alpha, alpha), and every place and partner is equally likely") {
  std::vector<double> shares;
  std::vector<int> places(5);
  for (std::uint64_t s = 0; s < 4000; ++s) {
    image_batch b = numbered(5, 1, 1, 1);  // five different labels
    random_stream rng = random_stream(1).split(s);
    mixup{0.4f}(b, classes, rng);
    for (int k = 0; k < 5; ++k) places[static_cast<std::size_t>(k)] += b.soft(0, k) > 0 && k > 0;
    for (int i = 0; i < 5; ++i)
      if (own_share(b, i) != 1) {
        shares.push_back(double(own_share(b, i)));
        break;
      }
  }
  double mean = 0, variance = 0;
  for (double v : shares) mean += v / double(shares.size());
  for (double v : shares) variance += (v - mean) * (v - mean) / double(shares.size());
  CHECK(mean == doctest::Approx(0.5).epsilon(0.03));
  CHECK(variance == doctest::Approx(1 / (4 * (2 * 0.4 + 1))).epsilon(0.05));
  for (std::size_t k = 1; k < 5; ++k) CHECK(std::abs(places[k] - 800) < 5 * std::sqrt(800.0));
}

TEST_CASE("CutMix's rectangle has the side and the place that its share and its centre say, on average") {
  // Whole in the image (share near 1) the kept part is the share itself; the mean over places is below 1 - share.
  double kept = 0;
  int count = 0;
  for (std::uint64_t s = 0; s < 3000; ++s) {
    image_batch b = numbered(2, 40, 40, 1);
    random_stream rng = random_stream(2).split(s), same = rng;
    cutmix{1.f}(b, classes, rng);
    const double share = double(beta(same, 1, 1));
    if (own_share(b, 0) == 1 || b.soft(0, 1) == 0) continue;
    CHECK(double(own_share(b, 0)) > share - 0.1);  // cutting off only makes it larger, and whole pixels a little
    kept += double(own_share(b, 0));
    ++count;
  }
  // E[1 - s^2 (1 - s/4)^2] over s = sqrt(1 - share), share uniform: 1 - (1/2 - 1/5 + 1/48) = 0.679.
  CHECK(kept / count == doctest::Approx(0.68).epsilon(0.05));
}

TEST_CASE("mix takes each with its probability, and leaves the rest as it is") {
  int mixed = 0, cut = 0, plain = 0;
  for (std::uint64_t s = 0; s < 2000; ++s) {
    image_batch b = numbered(4, 8, 8, 1);
    const image_batch before = b;
    random_stream rng = random_stream(3).split(s);
    mix{.mixup_probability = 0.5f, .cutmix_probability = 0.3f, .mixup = {1.f}}(b, classes, rng);
    if (b.soft.size() == 0) {
      ++plain;
      CHECK(std::equal(b.images.begin(), b.images.end(), before.images.begin()));
      CHECK(std::equal(b.labels.begin(), b.labels.end(), before.labels.begin()));
    } else {
      const bool whole =
          std::all_of(b.images.begin(), b.images.end(), [](float v) { return v * 16 == std::floor(v * 16); });
      ++(whole ? cut : mixed);  // a permutation that moves nothing counts as cut
    }
  }
  CHECK(std::abs(plain - 400) < 100);
  CHECK(std::abs(mixed - 1000 * 23 / 24) < 130);
  CHECK(std::abs(cut - 600 - 1000 / 24) < 120);
}

TEST_CASE("Options out of range are refused") {
  image_batch b = numbered(4);
  random_stream rng;
  CHECK_THROWS_WITH_AS(mixup{0}(b, classes, rng), "mixup: alpha is 0, must be above 0", argument_error);
  CHECK_THROWS_AS(mixup{-1}(b, classes, rng), argument_error);
  CHECK_THROWS_AS(cutmix{NAN}(b, classes, rng), argument_error);
  CHECK_THROWS_AS(cutmix{INFINITY}(b, classes, rng), argument_error);
  CHECK_THROWS_AS((mix{0.6f, 0.6f}(b, classes, rng)), argument_error);
  CHECK_THROWS_AS((mix{-0.1f, 0.6f}(b, classes, rng)), argument_error);
  loader l(bytes(8), {.batch = 4, .workers = 1}, horizontal_flip{}, cutmix{-1});
  CHECK_THROWS_AS(l.next(), argument_error);
}

TEST_CASE("A loader mixes every batch in the same way whatever its workers, and after a seek") {
  const dataset d = bytes(30);
  const auto make = [&](int workers, std::uint64_t stream = 0) {
    return loader(d, {.batch = 8, .seed = seed{4}, .augment_stream = stream, .workers = workers}, horizontal_flip{},
                  mix{0.4f, 0.4f});
  };
  loader none = make(0), one = make(1), three = make(3), other = make(0, 1);
  const auto expected = take(none, 12);
  CHECK(take(one, 12) == expected);
  CHECK(take(three, 12) == expected);
  CHECK(take(other, 12) != expected);

  loader first = make(2);
  auto parts = take(first, 5);
  const loader_state state = first.state();
  take(first, 3);
  loader second = make(2);
  second.seek(state);
  const auto rest = take(second, 7);
  parts.insert(parts.end(), rest.begin(), rest.end());
  CHECK(parts == expected);

  // Each batch has a permutation and a share of its own; unmixed ones have no soft labels left from an earlier one.
  loader l = make(0);
  std::vector<float> shares;
  int unmixed = 0;
  for (int i = 0; i < 40; ++i) {
    const image_batch& b = l.next();
    if (b.soft.size() == 0) {
      ++unmixed;
      CHECK(b.targets().soft.data() == nullptr);
    } else {
      CHECK(b.targets().soft.data() == b.soft.data());
      check_labels(b);
      shares.push_back(*std::max_element(b.soft.begin(), b.soft.end()));
      for (float v : b.soft)
        if (v > 0 && v < 1) shares.back() = v;
    }
  }
  CHECK((unmixed > 0 && unmixed < 25));
  std::sort(shares.begin(), shares.end());
  CHECK(std::unique(shares.begin(), shares.end()) - shares.begin() > 20);
}

}  // namespace mix_test
