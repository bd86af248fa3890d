// Resizing: Pillow's bits, and what is refused.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/resize.hpp>

#include "golden_images.hpp"

namespace resize_test {

using namespace advprop;
using golden_images::difference;
using golden_images::image;

namespace {
const std::pair<const char*, resampling> filters[] = {{"box", resampling::box},
                                                      {"bilinear", resampling::bilinear},
                                                      {"bicubic", resampling::bicubic},
                                                      {"lanczos", resampling::lanczos}};
}

TEST_CASE("every filter gives Pillow's bits, smaller and larger, whole and from a box") {
  const byte_image rgb = image("rgb");
  for (const auto& [name, filter] : filters) {
    const std::string key = std::string("resize.") + name;
    CAPTURE(key);
    CHECK(difference(resize(rgb, 20, 24, filter), image(key + ".20x24")) == 0);
    CHECK(difference(resize(rgb, 45, 60, filter), image(key + ".45x60")) == 0);
    CHECK(difference(resize(rgb, {3.25f, 2.5f, 40.75f, 30.1f}, 16, 18, filter),
                     image(std::string("resize_box.") + name + ".16x18")) == 0);
  }
}

TEST_CASE("one side alone, one pixel, and grey are as Pillow's") {
  const byte_image rgb = image("rgb");
  CHECK(difference(resize(rgb, 37, 24, resampling::bicubic), image("resize.bicubic.37x24")) == 0);
  CHECK(difference(resize(rgb, 23, 53, resampling::bilinear), image("resize.bilinear.23x53")) == 0);
  CHECK(difference(resize(rgb, 1, 1, resampling::lanczos), image("resize.lanczos.1x1")) == 0);
  CHECK(difference(resize(image("grey"), 20, 24, resampling::bicubic), image("resize_grey.bicubic.20x24")) == 0);
}

TEST_CASE("the box filter gives a pixel on its edge to the left neighbour alone, as Pillow") {
  byte_image row = byte_image::of(1, 3, 1);
  row.pixels = {10, 20, 40};
  CHECK(resize(row, 1, 2, resampling::box).pixels == std::vector<std::uint8_t>{15, 40});
}

TEST_CASE("the same size changes nothing, and one colour stays that colour") {
  const byte_image rgb = image("rgb");
  byte_image flat = byte_image::of(1, 1);
  flat.pixels = {200, 3, 255};
  for (const auto& [name, filter] : filters) {
    const std::string key = name;
    CAPTURE(key);
    CHECK(resize(rgb, 37, 53, filter) == rgb);
    const byte_image larger = resize(flat, 7, 5, filter);
    for (int i = 0; i < 35; ++i)
      CHECK(std::equal(flat.pixels.begin(), flat.pixels.end(), larger.row(0) + std::ptrdiff_t{3} * i));
  }
}

TEST_CASE("empty sizes and boxes outside are refused") {
  const byte_image rgb = image("rgb");
  CHECK_THROWS_WITH_AS(resize(rgb, 0, 4), "resize: a size of 0 x 4; must be 1 or more", argument_error);
  CHECK_THROWS_AS(resize(rgb, 4, -1), argument_error);
  for (const pixel_box& box : {pixel_box{-1, 0, 5, 5}, pixel_box{0, -0.5f, 5, 5}, pixel_box{0, 0, 53.5f, 5},
                               pixel_box{0, 0, 5, 38}, pixel_box{5, 0, 5, 5}, pixel_box{0, 6, 5, 5}})
    CHECK_THROWS_AS(resize(rgb, box, 4, 4), argument_error);
}

}  // namespace resize_test
