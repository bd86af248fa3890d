// The definitions of image_color.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/data/image_color.hpp>
#include <advprop/data/image_tables.hpp>

namespace advprop::detail {

/// ITU-R 601 luma of one RGB pixel.
inline int luma(const std::uint8_t* rgb) { return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16; }

/// to = from + factor (to - from).
inline void blend_bytes(const std::uint8_t* from, std::uint8_t* to, std::size_t count, float factor) {
  constexpr std::size_t lanes = 32;  // a fixed number, which compilers vectorise
  const double f = static_cast<double>(factor);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    std::uint8_t result[lanes];
    for (std::size_t k = 0; k < lanes; ++k) result[k] = blended(from[i + k], to[i + k], f);
    std::copy_n(result, lanes, to + i);
  }
  for (; i < count; ++i) to[i] = blended(from[i], to[i], f);
}

/// Pillow's SMOOTH of one row without its ends: weights 1, and 5 in the middle, over 13, rounded.
inline void smooth_row(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below, int channels,
                       int bytes, std::uint8_t* out) {
  constexpr int lanes = 32;
  const auto smooth = [&](int i) {
    const int l = i - channels, r = i + channels;
    const int sum = above[l] + above[i] + above[r] + row[l] + 5 * row[i] + row[r] + below[l] + below[i] + below[r];
    return static_cast<std::uint8_t>(static_cast<unsigned>(sum + 6) / 13u);
  };
  int i = channels;
  for (; i + lanes <= bytes - channels; i += lanes) {
    std::uint8_t result[lanes];
    for (int k = 0; k < lanes; ++k) result[k] = smooth(i + k);
    std::copy_n(result, lanes, out + i);
  }
  for (; i < bytes - channels; ++i) out[i] = smooth(i);
}

/// One pixel's hue turned by `turn` / 255, through Pillow's HSV of 8 bits a channel.
inline void turn_hue(std::uint8_t* rgb, int turn) {
  const int r = rgb[0], g = rgb[1], b = rgb[2];
  const int high = std::max({r, g, b}), low = std::min({r, g, b});
  if (low == high) return;  // grey: no hue
  const auto range = static_cast<float>(high - low);
  const float rc = static_cast<float>(high - r) / range, gc = static_cast<float>(high - g) / range,
              bc = static_cast<float>(high - b) / range;
  const float sector = r == high   ? bc - gc
                       : g == high ? static_cast<float>(2.0 + static_cast<double>(rc) - static_cast<double>(bc))
                                   : static_cast<float>(4.0 + static_cast<double>(gc) - static_cast<double>(rc));
  const double around = static_cast<double>(sector) / 6.0 + 1.0;  // in [5/6, 2)
  const auto hue = static_cast<float>(around >= 1.0 ? around - 1.0 : around);
  const int h = (static_cast<int>(static_cast<double>(hue) * 255.0) + turn) & 255;
  const int s = static_cast<int>(static_cast<double>(range / static_cast<float>(high)) * 255.0);
  if (s == 0) {
    rgb[0] = rgb[1] = rgb[2] = static_cast<std::uint8_t>(high);
    return;
  }
  const int sixth = h * 6 / 255;
  const auto rest = static_cast<float>(h * 6 / 255.0 - sixth), saturation = static_cast<float>(s / 255.0);
  const double v = high, fs = static_cast<double>(saturation);
  const auto level = [v](double part) {  // rounds half up: nothing here is below 0
    return static_cast<std::uint8_t>(std::min(static_cast<int>(v * part + 0.5), 255));
  };
  const std::uint8_t levels[4] = {static_cast<std::uint8_t>(high), level(1.0 - fs),
                                  level(1.0 - static_cast<double>(saturation * rest)),
                                  level(1.0 - fs * (1.0 - static_cast<double>(rest)))};
  constexpr std::uint8_t chosen[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
  for (int c = 0; c < 3; ++c) rgb[c] = levels[chosen[sixth % 6][c]];
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API byte_image grey_of(const byte_image& image) {
  if (image.channels == 1) return image;
  byte_image grey = byte_image::of(image.height, image.width, 1);
  for (std::size_t i = 0; i < grey.pixels.size(); ++i)
    grey.pixels[i] = static_cast<std::uint8_t>(detail::luma(&image.pixels[3 * i]));
  return grey;
}

}  // namespace advprop

namespace advprop::image_ops {

ADVPROP_API void contrast(byte_image& image, float factor) {
  detail::check_factor("contrast", factor);
  std::int64_t sum = 0;
  if (image.channels == 1)
    for (std::uint8_t v : image.pixels) sum += v;
  else
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) sum += detail::luma(image.pixels.data() + i);
  const double pixels = static_cast<double>(image.height) * image.width;
  const int mean = static_cast<int>(static_cast<double>(sum) / pixels + 0.5);
  detail::map_bytes(image, [=, f = static_cast<double>(factor)](int v) { return detail::blended(mean, v, f); });
}

ADVPROP_API void color(byte_image& image, float factor) {
  detail::check_factor("color", factor);
  if (image.channels == 1) return;
  std::vector<std::uint8_t>& grey = detail::image_scratch(image.pixels.size());
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    std::fill_n(grey.data() + i, 3, static_cast<std::uint8_t>(detail::luma(image.pixels.data() + i)));
  detail::blend_bytes(grey.data(), image.pixels.data(), image.pixels.size(), factor);
}

ADVPROP_API void sharpness(byte_image& image, float factor) {
  detail::check_factor("sharpness", factor);
  std::vector<std::uint8_t>& smooth = detail::image_scratch(image.pixels.size());
  smooth = image.pixels;
  const auto bytes = static_cast<int>(image.row_bytes());
  for (int y = 1; y + 1 < image.height; ++y)
    detail::smooth_row(image.row(y - 1), image.row(y), image.row(y + 1), image.channels, bytes,
                       smooth.data() + image.row_bytes() * static_cast<std::size_t>(y));
  detail::blend_bytes(smooth.data(), image.pixels.data(), image.pixels.size(), factor);
}

ADVPROP_API void hue(byte_image& image, float turn) {
  if (!(turn >= -0.5f && turn <= 0.5f)) fail<argument_error>("hue: ", turn, " is outside [-0.5, 0.5]");
  if (image.channels == 1) return;
  const int steps = static_cast<int>(static_cast<double>(turn) * 255.0);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) detail::turn_hue(image.pixels.data() + i, steps);
}

}  // namespace advprop::image_ops
