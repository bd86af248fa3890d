// The definitions of digital.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <advprop/data/resize.hpp>
#include <advprop/robustness/digital.hpp>
#include <advprop/robustness/float_image.hpp>

namespace advprop::robustness::detail {

/// Hue in [0, 1), saturation and value, of RGB in [0, 1].
struct hsv {
  double hue = 0, saturation = 0, value = 0;

  explicit hsv(const std::uint8_t* rgb) {
    const double r = rgb[0] / 255.0, g = rgb[1] / 255.0, b = rgb[2] / 255.0;
    value = std::max({r, g, b});
    const double range = value - std::min({r, g, b});
    if (range == 0) return;
    saturation = range / value;
    const double sector = b == value ? 4 + (r - g) / range : g == value ? 2 + (b - r) / range : (g - b) / range;
    hue = sector / 6 - std::floor(sector / 6);
  }

  void store(std::uint8_t* rgb) const {
    const double turn = hue * 6, whole = std::floor(turn), part = turn - whole;
    const double p = value * (1 - saturation), q = value * (1 - part * saturation),
                 t = value * (1 - (1 - part) * saturation), v = value;
    const std::array<double, 3> sectors[] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
    const std::array<double, 3>& color = sectors[static_cast<std::size_t>(whole) % 6];
    for (std::size_t c = 0; c < 3; ++c) rgb[c] = truncated(color[c] * 255);
  }
};

template <class F>
byte_image map_hsv(byte_image image, F change) {
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    hsv color(&image.pixels[i]);
    change(color);
    color.store(&image.pixels[i]);
  }
  return image;
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API byte_image brightness(const byte_image& image, double amount) {
  return detail::map_hsv(image, [=](detail::hsv& c) { c.value = std::clamp(c.value + amount, 0.0, 1.0); });
}

ADVPROP_API byte_image saturate(const byte_image& image, double factor, double offset) {
  return detail::map_hsv(image,
                         [=](detail::hsv& c) { c.saturation = std::clamp(c.saturation * factor + offset, 0.0, 1.0); });
}

ADVPROP_API byte_image contrast(byte_image image, double factor) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t c = 0; c < channels; ++c) {
    std::int64_t sum = 0;
    for (std::size_t i = c; i < image.pixels.size(); i += channels) sum += image.pixels[i];
    const double mean = static_cast<double>(sum) / 255.0 / static_cast<double>(image.pixels.size() / channels);
    for (std::size_t i = c; i < image.pixels.size(); i += channels)
      image.pixels[i] = truncated(((image.pixels[i] / 255.0 - mean) * factor + mean) * 255);
  }
  return image;
}

ADVPROP_API byte_image pixelate(const byte_image& image, double scale) {
  const auto small = [scale](int size) { return std::max(static_cast<int>(size * scale), 1); };
  return resize(resize(image, small(image.height), small(image.width), resampling::box), image.height, image.width,
                resampling::box);
}

}  // namespace advprop::robustness
