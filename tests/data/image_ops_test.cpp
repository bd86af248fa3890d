// Operations on 8-bit images give Pillow's and torchvision's bytes; odd images and parameters.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/error.hpp>
#include <advprop/data/image_color.hpp>
#include <advprop/data/image_tables.hpp>
#include <advprop/data/image_warp.hpp>

#include "golden_augment.hpp"

namespace image_ops_test {

using namespace advprop;

namespace {
using operation = std::function<void(byte_image&, float, const warp&)>;

const std::map<std::string, operation> operations = {
    {"autocontrast", [](byte_image& i, float, const warp&) { image_ops::autocontrast(i); }},
    {"equalize", [](byte_image& i, float, const warp&) { image_ops::equalize(i); }},
    {"invert", [](byte_image& i, float, const warp&) { image_ops::invert(i); }},
    {"posterize", [](byte_image& i, float p, const warp&) { image_ops::posterize(i, static_cast<int>(p)); }},
    {"solarize", [](byte_image& i, float p, const warp&) { image_ops::solarize(i, p); }},
    {"brightness", [](byte_image& i, float p, const warp&) { image_ops::brightness(i, p); }},
    {"contrast", [](byte_image& i, float p, const warp&) { image_ops::contrast(i, p); }},
    {"color", [](byte_image& i, float p, const warp&) { image_ops::color(i, p); }},
    {"sharpness", [](byte_image& i, float p, const warp&) { image_ops::sharpness(i, p); }},
    {"hue", [](byte_image& i, float p, const warp&) { image_ops::hue(i, p); }},
    {"rotate", [](byte_image& i, float p, const warp& w) { image_ops::rotate(i, static_cast<double>(p), w); }},
    {"shear_x", [](byte_image& i, float p, const warp& w) { image_ops::shear_x(i, static_cast<double>(p), w); }},
    {"shear_y", [](byte_image& i, float p, const warp& w) { image_ops::shear_y(i, static_cast<double>(p), w); }},
    {"translate_x", [](byte_image& i, float p, const warp& w) { image_ops::translate_x(i, static_cast<int>(p), w); }},
    {"translate_y", [](byte_image& i, float p, const warp& w) { image_ops::translate_y(i, static_cast<int>(p), w); }},
};

warp filled(interpolation filter) { return {filter, {200, 7, 90}}; }
interpolation filter_of(const std::string& name) {
  return name == "bilinear" ? interpolation::bilinear : interpolation::nearest;
}
}  // namespace

TEST_CASE("image operations give the bytes of Pillow and torchvision") {
  int results = 0, whole = 0;
  for (const auto& [name, apply] : operations) {
    const auto parameters = golden_augment::numbers("parameters." + name);
    for (const char* filter : {"nearest", "bilinear"}) {
      const std::string key = name + "." + filter;
      if (!golden_augment::file().contains("image." + key)) continue;
      const warp how = filled(filter_of(filter));
      for (const char* input : {"rgb", "grey", "square", "bright", "flat", "pixel"}) {
        const auto expected = golden_augment::hashes("hash." + key + "." + input);
        REQUIRE(expected.size() == parameters.size());
        for (std::size_t i = 0; i < parameters.size(); ++i, ++results) {
          CAPTURE(key);
          CAPTURE(input);
          CAPTURE(parameters[i]);
          const auto before = golden_augment::image(std::string("input.") + input);
          auto image = before;
          apply(image, parameters[i], how);
          CHECK(image.height == before.height);
          CHECK(image.width == before.width);
          CHECK(image.channels == before.channels);
          CHECK(golden_augment::fnv1a(image.pixels) == expected[i]);
        }
      }
      // One of them pixel by pixel, for a look at how a result is wrong.
      auto image = golden_augment::image("input.rgb");
      const auto expected = golden_augment::image("image." + key);
      apply(image, parameters[parameters.size() / 2], how);
      REQUIRE(image.pixels.size() == expected.pixels.size());
      int different = 0, largest = 0;
      for (std::size_t i = 0; i < image.pixels.size(); ++i) {
        const int d = std::abs(image.pixels[i] - expected.pixels[i]);
        different += d != 0, largest = std::max(largest, d);
      }
      CHECK_MESSAGE(different == 0, key, ": ", different, " bytes differ, by up to ", largest);
      ++whole;
    }
  }
  CHECK(results == 912);
  CHECK(whole == 20);
}

TEST_CASE("image operations refuse parameters without a meaning") {
  auto image = golden_augment::image("input.rgb");
  const auto before = image;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(image_ops::posterize(image, 0), "posterize: 0 bits; must be 1 to 8", argument_error);
  CHECK_THROWS_AS(image_ops::posterize(image, 9), argument_error);
  CHECK_THROWS_AS(image_ops::hue(image, 0.51f), argument_error);
  CHECK_THROWS_AS(image_ops::hue(image, nan), argument_error);
  CHECK_THROWS_AS(image_ops::rotate(image, infinite), argument_error);
  CHECK_THROWS_AS(image_ops::shear_x(image, infinite), argument_error);
  CHECK_THROWS_AS(image_ops::shear_y(image, static_cast<double>(nan)), argument_error);
  for (auto change : {image_ops::brightness, image_ops::contrast, image_ops::color, image_ops::sharpness})
    CHECK_THROWS_AS(change(image, nan), argument_error);
  CHECK(image == before);
}

TEST_CASE("moving far away leaves the fill") {
  for (const char* input : {"rgb", "grey"})
    for (int pixels : {1000, -1000, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
      auto image = golden_augment::image(std::string("input.") + input);
      image_ops::translate_x(image, pixels, filled(interpolation::nearest));
      std::size_t same = 0;
      for (std::size_t i = 0; i < image.pixels.size(); ++i)
        same += image.pixels[i] == filled({}).fill[i % static_cast<std::size_t>(image.channels)];
      CHECK(same == image.pixels.size());
    }
}

TEST_CASE("grey_of gives Pillow's convert(\"L\"), and leaves grey images as they are") {
  const byte_image rgb{2, 3, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 200, 77, 255, 255, 255, 1, 2, 3}};
  const byte_image grey = grey_of(rgb);
  CHECK(grey == byte_image{2, 3, 1, {76, 150, 29, 129, 255, 2}});
  CHECK(grey_of(grey) == grey);
}

}  // namespace image_ops_test
