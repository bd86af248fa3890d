// Random erasing: torchvision's rectangles, what is written into them, and what is refused.
#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <advprop/data/augment.hpp>
#include <advprop/data/random_erasing.hpp>

#include "golden_images.hpp"

namespace random_erasing_test {

using namespace advprop;
using stream = advprop::random_stream;

namespace {
/// An image of one value that nothing is overwritten with.
struct blank {
  int height, width, channels;
  std::vector<float> values;
  blank(int h, int w, int c) : height(h), width(w), channels(c), values(static_cast<std::size_t>(h * w * c), 2.f) {}
  single_image image() { return {values.data(), {height, width, channels}}; }
  bool written(int y, int x) { return image()(y, x, 0) != 2.f; }
};
}  // namespace

static_assert(augmentation<random_erasing> && byte_augmentation<random_erasing>);

TEST_CASE("random_erasing chooses torchvision's rectangles, and finds none where torchvision does not") {
  for (const auto& [name, height, width, low, high] :
       {std::tuple{"default", 37, 53, 0.02f, 0.33f}, {"small", 8, 8, 0.02f, 0.33f}, {"flat", 8, 300, 0.3f, 0.9f}}) {
    const std::string key = std::string("holes.") + name;
    CAPTURE(key);
    const auto expected = golden_images::file().floats(key);
    REQUIRE(expected.size() == 240);
    const random_erasing erase{.scale = {low, high}};
    stream rng = golden_images::golden_stream("images/erase");
    int none = 0;
    for (std::size_t i = 0; i < expected.size(); i += 4) {
      const auto hole = erase.choose(height, width, rng);
      if (!hole) ++none;
      CHECK(hole.value_or(pixel_region{-1, -1, -1, -1}) ==
            pixel_region{static_cast<int>(expected[i]), static_cast<int>(expected[i + 1]),
                         static_cast<int>(expected[i + 2]), static_cast<int>(expected[i + 3])});
    }
    CHECK((none > 0) == (key == "holes.flat"));
  }
}

TEST_CASE("What is overwritten is the rectangle, with noise or the fill; the rest stays") {
  for (const auto& fill : {std::vector<float>{}, {0.25f}, {0.25f, 0.5f, 1.f}}) {
    const random_erasing erase{.probability = 1, .fill = fill};
    for (std::uint64_t n = 0; n < 50; ++n) {
      blank im(12, 17, 3);
      stream rng(n), same(n);
      erase(im.image(), rng);
      same.uniform();
      const auto hole = erase.choose(12, 17, same);
      REQUIRE(hole);
      bool right = true;
      std::set<float> different;
      for (int y = 0; y < 12; ++y)
        for (int x = 0; x < 17; ++x)
          for (int c = 0; c < 3; ++c) {
            const bool in =
                y >= hole->top && y < hole->top + hole->height && x >= hole->left && x < hole->left + hole->width;
            const float v = im.image()(y, x, c);
            if (in) different.insert(v);
            if (in && fill.empty())
              right &= v >= 0 && v < 1;
            else
              right &= v == (in ? fill[fill.size() == 1 ? 0 : static_cast<std::size_t>(c)] : 2.f);
          }
      CHECK(right);
      const auto numbers = static_cast<std::size_t>(3 * hole->height * hole->width);
      CHECK(different.size() >= (fill.empty() ? numbers - 1 : std::min(numbers, fill.size())));
      // Bytes get the same rectangle and, rounded, the same values.
      auto bytes = byte_image::of(12, 17);
      stream again(n);
      erase(bytes, again);
      CHECK(again.position() == rng.position());
      for (int y = 0; y < 12; ++y)
        for (int x = 0; x < 17; ++x)
          for (int c = 0; c < 3; ++c)
            right &= bytes.row(y)[3 * x + c] ==
                     (im.written(y, x) ? static_cast<int>(std::lround(im.image()(y, x, c) * 255)) : 0);
      CHECK(right);
    }
  }
}

TEST_CASE("Images are overwritten as often as they shall be, and noise is another in every step of a pipeline") {
  for (const float probability : {0.f, 0.25f, 1.f}) {
    int changed = 0;
    stream rng(3);
    for (int n = 0; n < 4000; ++n) {
      blank im(8, 8, 1);
      random_erasing{.probability = probability}(im.image(), rng);
      changed += im.values != std::vector<float>(64, 2.f);
    }
    CHECK(changed == doctest::Approx(4000 * double(probability)).epsilon(0.1));
  }
  const random_erasing whole{.probability = 1, .scale = {0.9f, 0.9f}, .ratio = {1, 1}};
  blank one(20, 20, 1), two(20, 20, 1);
  stream rng(1);
  whole(one.image(), rng);
  whole(two.image(), rng);
  int equal = 0;
  for (std::size_t i = 0; i < one.values.size(); ++i) equal += one.values[i] == two.values[i] && one.values[i] != 2.f;
  CHECK(equal < 5);
}

TEST_CASE("Ranges, probabilities and fills that make no sense are refused") {
  const auto refused = [](const random_erasing& erase, const char* text) {
    blank im(8, 8, 3);
    stream rng(1);
    CHECK_THROWS_WITH_AS(erase(im.image(), rng), text, argument_error);
    CHECK(im.values == std::vector<float>(192, 2.f));
  };
  refused({.probability = 1.5f}, "random_erasing: probability 1.5 is outside [0, 1]");
  refused({.probability = NAN}, "random_erasing: probability nan is outside [0, 1]");
  refused({.probability = 1, .scale = {0, 0.5f}}, "random_erasing: scale 0 to 0.5 is not a range in (0, 1]");
  refused({.probability = 1, .scale = {0.5f, 0.25f}}, "random_erasing: scale 0.5 to 0.25 is not a range in (0, 1]");
  refused({.probability = 1, .ratio = {1, INFINITY}}, "random_erasing: ratio 1 to inf is not a range above 0");
  refused({.fill = {-0.5f}}, "random_erasing: fill value -0.5 is outside [0, 1]");
  refused({.fill = {0, 0}}, "random_erasing: 2 fill values for 3 channels; must be none, 1 or 3");
}

}  // namespace random_erasing_test
