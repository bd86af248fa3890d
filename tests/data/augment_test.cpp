// Augmentations: what they do to an image, and that every outcome comes as often as it should.
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/augment.hpp>

namespace augment_test {

using namespace advprop;
using stream = advprop::random_stream;

namespace {
// Pixel (y, x, c) of a height x width x channels image is 1 + its index, so 0 is padding.
struct numbered {
  int height, width, channels;
  std::vector<float> values;

  numbered(int h, int w, int c) : height(h), width(w), channels(c), values(static_cast<std::size_t>(h * w * c)) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(1 + i);
  }
  single_image image() { return {values.data(), {height, width, channels}}; }
  static float original(int y, int x, int c, int w, int n) { return static_cast<float>(1 + (y * w + x) * n + c); }
};

int mirrored(int i, int n) {
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

// Whether the image is its original moved by (dy, dx).
bool is_moved(numbered& im, int dy, int dx, padding fill) {
  for (int y = 0; y < im.height; ++y)
    for (int x = 0; x < im.width; ++x)
      for (int c = 0; c < im.channels; ++c) {
        int sy = y + dy, sx = x + dx;
        if (fill == padding::reflect) sy = mirrored(sy, im.height), sx = mirrored(sx, im.width);
        const bool inside = sy >= 0 && sy < im.height && sx >= 0 && sx < im.width;
        const float expected = inside ? numbered::original(sy, sx, c, im.width, im.channels) : 0.0f;
        if (im.image()(y, x, c) != expected) return false;
      }
  return true;
}
}  // namespace

TEST_CASE("pad_crop moves the whole image, to every place equally often") {
  for (padding fill : {padding::zero, padding::reflect})
    for (auto [h, w] : {std::pair{5, 7}, {7, 5}}) {
      stream rng(1);
      std::map<std::pair<int, int>, int> places;
      constexpr int trials = 4900;
      for (int t = 0; t < trials; ++t) {
        numbered im(h, w, 3);
        pad_crop{3, fill}(im.image(), rng);
        int found = 0;
        for (int dy = -3; dy <= 3; ++dy)
          for (int dx = -3; dx <= 3; ++dx)
            if (is_moved(im, dy, dx, fill)) ++found, ++places[{dy, dx}];
        if (found != 1) CHECK(found == 1);
      }
      CHECK(places.size() == 49);
      double chi = 0;  // 48 degrees of freedom: 99.99 % lie below 93
      for (const auto& [place, n] : places) chi += (n - 100.0) * (n - 100.0) / 100.0;
      CHECK(chi < 93);
    }
}

TEST_CASE("pad_crop with more padding than image leaves zeros") {
  stream rng(2);
  int empty = 0;
  for (int t = 0; t < 200; ++t) {
    numbered im(2, 2, 1);
    pad_crop{4}(im.image(), rng);
    bool fits = false;
    for (int dy = -4; dy <= 4; ++dy)
      for (int dx = -4; dx <= 4; ++dx) fits |= is_moved(im, dy, dx, padding::zero);
    CHECK(fits);
    empty += im.values == std::vector<float>(4);
  }
  CHECK(empty > 100);  // 72 of 81 places
  CHECK(empty < 200);
}

TEST_CASE("pad_crop of 0 pixels changes nothing, and impossible padding is refused") {
  stream rng(3);
  numbered im(3, 3, 2);
  const auto before = im.values;
  pad_crop{0}(im.image(), rng);
  CHECK(im.values == before);
  CHECK_THROWS_WITH_AS((pad_crop{-1}(im.image(), rng)), "pad_crop: -1 pixels; must be 0 or more", argument_error);
  CHECK_THROWS_WITH_AS((pad_crop{3, padding::reflect}(im.image(), rng)),
                       "pad_crop: 3 pixels cannot be reflected from an image of 3x3", argument_error);
  CHECK_NOTHROW((pad_crop{2, padding::reflect}(im.image(), rng)));
}

TEST_CASE("horizontal_flip mirrors rows, with its probability") {
  for (int width : {1, 4, 5}) {
    numbered im(3, width, 2);
    stream rng(4);
    horizontal_flip{1}(im.image(), rng);
    for (int y = 0; y < 3; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 2; ++c) CHECK(im.image()(y, x, c) == numbered::original(y, width - 1 - x, c, width, 2));
  }
  stream rng(5);
  int flips = 0;
  for (int t = 0; t < 10000; ++t) {
    numbered im(1, 2, 1);
    horizontal_flip{0.3f}(im.image(), rng);
    flips += im.values[0] == 2;
  }
  CHECK(std::abs(flips - 3000) < 190);  // 4 standard deviations
  numbered im(1, 2, 1);
  for (int t = 0; t < 1000; ++t) horizontal_flip{0}(im.image(), rng);
  CHECK(im.values[0] == 1);
  CHECK_THROWS_AS(horizontal_flip{1.5f}(im.image(), rng), argument_error);
  CHECK_THROWS_AS(horizontal_flip{std::nanf("")}(im.image(), rng), argument_error);
}

TEST_CASE("cutout fills one square, centred anywhere in the image and cut at its edges") {
  for (int size : {1, 3, 4}) {
    stream rng(6);
    std::map<std::pair<int, int>, int> centres;
    for (int t = 0; t < 4800; ++t) {
      numbered im(6, 8, 2);
      cutout{size, {0.25f, 0.5f}}(im.image(), rng);
      int found = 0;
      for (int cy = 0; cy < 6; ++cy)
        for (int cx = 0; cx < 8; ++cx) {
          bool equal = true;
          for (int y = 0; y < 6; ++y)
            for (int x = 0; x < 8; ++x)
              for (int c = 0; c < 2; ++c) {
                const int top = cy - size / 2, left = cx - size / 2;
                const bool cut = y >= top && y < top + size && x >= left && x < left + size;
                const float fill = c == 0 ? 0.25f : 0.5f;
                equal &= im.image()(y, x, c) == (cut ? fill : numbered::original(y, x, c, 8, 2));
              }
          if (equal) ++found, ++centres[{cy, cx}];
        }
      if (found != 1) CHECK(found == 1);
    }
    CHECK(centres.size() == 48);
    double chi = 0;  // 47 degrees of freedom: 99.99 % lie below 92
    for (const auto& [centre, n] : centres) chi += (n - 100.0) * (n - 100.0) / 100.0;
    CHECK(chi < 92);
  }
}

TEST_CASE("cutout of size 0 changes nothing, one fill value serves all channels, others must match") {
  stream rng(7);
  numbered im(4, 4, 3);
  const auto before = im.values;
  cutout{0}(im.image(), rng);
  CHECK(im.values == before);
  CHECK_THROWS_WITH_AS((cutout{2, {0, 0}}(im.image(), rng)), "cutout: 2 fill values for 3 channels; must be 1 or 3",
                       argument_error);
  CHECK_THROWS_AS(cutout{-1}(im.image(), rng), argument_error);
  cutout{8}(im.image(), rng);  // from any centre 8 covers 4
  CHECK(im.values == std::vector<float>(48));
}

TEST_CASE("a pipeline applies its steps in order on one stream, and nests") {
  const auto add = [](single_image im, stream& rng) { im(0, 0, 0) += rng.uniform(); };
  const auto twice = [](single_image im, stream&) { im(0, 0, 0) *= 2; };
  static_assert(augmentation<decltype(add)>);
  static_assert(augmentation<std::function<void(single_image, stream&)>>);
  static_assert(augmentation<pipeline<pad_crop, horizontal_flip>>);
  static_assert(!augmentation<int>);
  const auto run = [](const auto& a) {
    float value = 1;
    stream rng(8);
    a(single_image(&value, {1, 1, 1}), rng);
    return value;
  };
  stream rng(8);
  const float u = rng.uniform(), v = rng.uniform();
  CHECK(run(pipeline(add, twice)) == (1 + u) * 2);
  CHECK(run(pipeline(twice, add)) == 2 + u);
  CHECK(run(pipeline(pipeline(add, twice), add)) == (1 + u) * 2 + v);
  CHECK(run(pipeline()) == 1);
  std::vector<std::function<void(single_image, stream&)>> chosen = {add, twice};
  CHECK(run([&](single_image im, stream& r) {
          for (const auto& a : chosen) a(im, r);
        }) == (1 + u) * 2);
}

}  // namespace augment_test
