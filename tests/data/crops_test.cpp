// Crops and flips: torchvision's regions and pixels, and what is refused.
#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>

#include <doctest/doctest.h>

#include <advprop/data/crops.hpp>

#include "golden_images.hpp"

namespace crops_test {

using namespace advprop;
using golden_images::difference;
using golden_images::image;
using stream = advprop::random_stream;

namespace {
byte_image transposed(const byte_image& from) {
  byte_image to = byte_image::of(from.width, from.height, from.channels);
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x)
      for (int c = 0; c < to.channels; ++c) to.row(y)[x * to.channels + c] = from.row(x)[y * to.channels + c];
  return to;
}
}  // namespace

// What a pipeline changes is what all its steps do.
static_assert(byte_augmentation<pipeline<random_resized_crop, horizontal_flip>>);
static_assert(augmentation<pipeline<pad_crop, horizontal_flip>>);
static_assert(!byte_augmentation<pipeline<pad_crop, horizontal_flip>>);
static_assert(!augmentation<pipeline<random_resized_crop, horizontal_flip>>);

TEST_CASE("random_resized_crop chooses torchvision's regions, the fallback's too") {
  for (const auto& [name, height, width, low] : {std::tuple{"rgb", 37, 53, 0.08f},
                                                 {"flat", 20, 200, 0.5f},
                                                 {"narrow", 200, 20, 0.5f},
                                                 {"square", 64, 65, 0.9f}}) {
    const std::string key = std::string("regions.") + name;
    CAPTURE(key);
    const auto expected = golden_images::file().floats(key);
    random_resized_crop cut;
    cut.scale.low = low;
    stream rng = golden_images::golden_stream("images/crop");
    for (std::size_t i = 0; i < expected.size(); i += 4) {
      const pixel_region r = cut.choose(height, width, rng);
      CHECK(r == pixel_region{static_cast<int>(expected[i]), static_cast<int>(expected[i + 1]),
                              static_cast<int>(expected[i + 2]), static_cast<int>(expected[i + 3])});
    }
  }
}

TEST_CASE("random_resized_crop gives torchvision's pixels: those around the region do not count") {
  byte_image rgb = image("rgb");
  random_resized_crop cut{16};
  cut.filter = resampling::bilinear;
  stream rng = golden_images::golden_stream("images/crop");
  cut(rgb, rng);
  CHECK(difference(rgb, image("random_resized_crop.0")) == 0);
}

TEST_CASE("regions have the area and the shape asked for, and lie everywhere") {
  random_resized_crop cut;
  stream rng(2);
  bool inside = true;
  double area = 0, shape = 0, top = 0, left = 0;
  constexpr int count = 100000;
  for (int i = 0; i < count; ++i) {
    const pixel_region r = cut.choose(1000, 1000, rng);
    inside = inside && r.top + r.height <= 1000 && r.left + r.width <= 1000;
    area += r.height * r.width / 1e6;
    shape += std::log(static_cast<double>(r.width) / r.height);
    top += r.height < 1000 ? static_cast<double>(r.top) / (1000 - r.height) : 0.5;
    left += r.width < 1000 ? static_cast<double>(r.left) / (1000 - r.width) : 0.5;
  }
  CHECK(inside);
  // Areas are uniform in [0.08, 1], but of those from 3/4 on only -log(area) / log(4/3) have a shape that fits: by
  // integration their mean is 0.478.
  CHECK(std::fabs(area / count - 0.478) < 0.004);
  CHECK(std::fabs(shape / count) < 0.01);
  CHECK(std::fabs(top / count - 0.5) < 0.01);
  CHECK(std::fabs(left / count - 0.5) < 0.01);
}

TEST_CASE("center_crop and resize_shorter are torchvision's, wide and tall") {
  const byte_image wide = image("rgb"), tall = transposed(wide);
  for (const auto& [size, fraction] : {std::pair{24, 0.875}, {7, 0.875}, {41, 0.95}, {8, 1.0}}) {
    const std::string key = "center_crop." + std::to_string(size);
    CAPTURE(key);
    byte_image a = wide, b = tall;
    center_crop cut{size};
    cut.fraction = fraction;
    cut(a);
    cut(b);
    CHECK(difference(a, image(key + ".wide")) == 0);
    CHECK(difference(b, image(key + ".tall")) == 0);
  }
  byte_image shorter = wide;
  resize_shorter{20}(shorter);
  CHECK(shorter.height == 20);
  CHECK(shorter.width == 28);  // 53 * 20 / 37 = 28.6, rounded down
  CHECK(shorter == resize(wide, 20, 28));
  byte_image same = wide;
  resize_shorter{37}(same);
  CHECK(same == wide);
}

TEST_CASE("crop cuts, and flips mirror half of the images") {
  const byte_image rgb = image("rgb");
  const byte_image part = crop(rgb, {3, 5, 2, 4});
  for (int y = 0; y < 2; ++y) CHECK(std::equal(part.row(y), part.row(y) + 12, rgb.row(y + 3) + 15));
  for (const byte_image& original : {rgb, image("grey"), part, crop(rgb, {0, 0, 1, 1})}) {
    int flips = 0;
    stream rng(3);
    for (int i = 0; i < 1000; ++i) {
      byte_image copy = original;
      horizontal_flip{}(copy, rng);
      if (copy != original) ++flips;
    }
    if (original.width > 1) CHECK(std::abs(flips - 500) < 60);
    byte_image mirrored = original;
    horizontal_flip{1}(mirrored, rng);
    for (int y = 0; y < original.height; ++y)
      for (int x = 0; x < original.width; ++x)
        for (int c = 0; c < original.channels; ++c)
          CHECK(mirrored.row(y)[x * original.channels + c] ==
                original.row(y)[(original.width - 1 - x) * original.channels + c]);
    horizontal_flip{0}(mirrored, rng);
    horizontal_flip{1}(mirrored, rng);
    CHECK(mirrored == original);
  }
}

TEST_CASE("images of one pixel and of one row can be cropped") {
  stream rng(5);
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 300}, {300, 1}}) {
    byte_image a = byte_image::of(height, width), b = a;
    random_resized_crop{8}(a, rng);
    center_crop{8}(b);
    CHECK(a == byte_image::of(8, 8));
    CHECK(b == byte_image::of(8, 8));
  }
}

TEST_CASE("crops out of range are refused") {
  byte_image rgb = image("rgb");
  stream rng(1);
  CHECK_THROWS_WITH_AS(crop(rgb, {30, 0, 8, 5}),
                       "resized_crop: 8 x 5 pixels from row 30, column 0 on are not inside an image of 37 x 53",
                       argument_error);
  for (const pixel_region& r : {pixel_region{-1, 0, 5, 5}, {0, -1, 5, 5}, {0, 0, 0, 5}, {0, 0, 5, 0}, {0, 50, 5, 4}})
    CHECK_THROWS_AS(crop(rgb, r), argument_error);
  CHECK_THROWS_WITH_AS(random_resized_crop{0}(rgb, rng), "random_resized_crop: a size of 0 x 0; must be 1 or more",
                       argument_error);
  for (const interval& scale : {interval{0, 1}, {0.5f, 0.4f}, {0.5f, 1.5f}, {NAN, 1}})
    CHECK_THROWS_AS((random_resized_crop{8, scale}(rgb, rng)), argument_error);
  for (const interval& ratio : {interval{0, 1}, {2, 1}, {1, INFINITY}, {1, NAN}})
    CHECK_THROWS_AS((random_resized_crop{8, {0.08f, 1}, ratio}(rgb, rng)), argument_error);
  for (double fraction : {0.0, 1.5, static_cast<double>(NAN)})
    CHECK_THROWS_AS((center_crop{8, fraction}(rgb)), argument_error);
  CHECK_THROWS_AS(center_crop{0}(rgb), argument_error);
  CHECK_THROWS_AS(resize_shorter{0}(rgb), argument_error);
  for (float probability : {-0.1f, 1.1f, NAN}) CHECK_THROWS_AS(horizontal_flip{probability}(rgb, rng), argument_error);
  CHECK(rgb == image("rgb"));
}

TEST_CASE("a thread of pixels that would become an image beyond the limits is refused, not resized") {
  stream rng(1);
  for (const int length : {100'000, 50'000'000}) {
    byte_image thread = byte_image::of(1, length, 1);
    CHECK_THROWS_WITH_AS(resize_shorter{256}(thread, rng), doctest::Contains("on the other side: more than 100000000"),
                         argument_error);
    CHECK_THROWS_AS(center_crop{224}(thread, rng), argument_error);
    CHECK(thread.width == length);
  }
  byte_image strip = byte_image::of(1, 1000, 1);
  resize_shorter{256}(strip, rng);
  CHECK((strip.height == 256 && strip.width == 256'000));
}

TEST_CASE("the whole image stays as it is, or is resized without a crop") {
  byte_image image = byte_image::of(6, 6);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(7 * i);
  byte_image same = image, larger = image;
  whole_image{6}(same);
  CHECK(same == image);
  whole_image{9}(larger);
  CHECK(larger == resize(image, 9, 9, resampling::bicubic));
  byte_image wide = byte_image::of(4, 8);
  whole_image{6, resampling::box}(wide);
  CHECK(wide.height == 6);
  CHECK(wide.width == 6);
}

}  // namespace crops_test
