// The definitions of blur.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <advprop/robustness/blur.hpp>

namespace advprop::robustness::detail {

/// A disk on a grid of 17 x 17, or larger where the radius is, with the sum 1 and a blurred edge.
inline std::vector<float> disk(double radius, double alias_sigma) {
  const int reach = radius <= 8 ? 8 : static_cast<int>(radius), size = 2 * reach + 1, blur = radius <= 8 ? 1 : 2;
  float_image grid(size, size, 1);
  for (int y = -reach; y <= reach; ++y)
    for (int x = -reach; x <= reach; ++x)
      grid.row(y + reach)[x + reach] = x * x + y * y <= radius * radius ? 1.0f : 0.0f;
  float sum = 0;
  for (const float v : grid.values) sum += v;
  for (float& v : grid.values) v /= sum;
  gaussian_filter(grid, alias_sigma, border::reflect_101, blur / alias_sigma);
  return grid.values;
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API byte_image defocus_blur(const byte_image& image, const disk_strength& s) {
  return to_bytes(correlate(float_image(image), detail::disk(s.radius, s.alias_sigma)));
}

ADVPROP_API byte_image glass_blur(const byte_image& image, const glass_strength& s, random_stream& rng) {
  byte_image pixels = gaussian_blur(image, s.sigma);
  const auto channels = static_cast<std::size_t>(pixels.channels);
  for (int round = 0; round < s.rounds; ++round)
    for (int y = pixels.height - s.reach; y > s.reach; --y)
      for (int x = pixels.width - s.reach; x > s.reach; --x) {
        const int dx = rng.below(2 * s.reach) - s.reach, dy = rng.below(2 * s.reach) - s.reach;
        const std::uint8_t* from = pixels.row(y + dy) + static_cast<std::size_t>(x + dx) * channels;
        std::copy_n(from, channels, pixels.row(y) + static_cast<std::size_t>(x) * channels);
      }
  return gaussian_blur(pixels, s.sigma);
}

ADVPROP_API byte_image motion_blur(const byte_image& image, const motion_strength& s, random_stream& rng) {
  float_image x(image);
  motion_filter(x, s.radius, s.sigma, static_cast<double>(rng.uniform(-45, 45)));
  return to_bytes(x);
}

ADVPROP_API byte_image zoom_blur(const byte_image& image, const zoom_strength& s) {
  const float_image x(image);
  float_image sum = x;
  const int factors = static_cast<int>(std::ceil((s.stop - 1) / s.step));  // of numpy.arange(1, stop, step)
  const double step = (1 + s.step) - 1;
  for (int i = 0; i < factors; ++i) {
    const float_image zoomed = clipped_zoom(x, 1 + i * step);
    detail::add_scaled(zoomed.values.data(), 1, sum.values.size(), sum.values.data());
  }
  for (float& v : sum.values) v /= static_cast<float>(factors + 1);
  return to_bytes(sum);
}

}  // namespace advprop::robustness
