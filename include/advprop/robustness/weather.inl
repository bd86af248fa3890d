// The definitions of weather.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <vector>

#include <advprop/robustness/filters.hpp>
#include <advprop/robustness/weather.hpp>

namespace advprop::robustness::detail {

/// A periodic height map by the diamond-square algorithm, size x size in [0, 1]; the size is a power of two.
inline std::vector<double> plasma(int size, double decay, random_stream& rng) {
  std::vector<double> map(static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
  double wibble = 100;
  const auto at = [&](int y, int x) -> double& {
    return map[static_cast<std::size_t>(y & (size - 1)) * static_cast<std::size_t>(size) +
               static_cast<std::size_t>(x & (size - 1))];
  };
  const auto fill = [&](int first_y, int first_x, int step, auto sum) {
    for (int y = first_y; y < size; y += step)
      for (int x = first_x; x < size; x += step)
        at(y, x) = sum(y, x) / 4 + wibble * wibble * (2.0 * static_cast<double>(rng.uniform()) - 1);
  };
  for (int step = size; step >= 2; step /= 2, wibble /= decay) {
    const int half = step / 2;
    const auto diamond = [&](int y, int x) {
      return at(y - half, x) + at(y + half, x) + at(y, x - half) + at(y, x + half);
    };
    fill(half, half, step, [&](int y, int x) {
      return at(y - half, x - half) + at(y - half, x + half) + at(y + half, x - half) + at(y + half, x + half);
    });
    fill(0, half, step, diamond);
    fill(half, 0, step, diamond);
  }
  const auto [low, high] = std::minmax_element(map.begin(), map.end());
  const double least = *low, range = *high - *low;
  for (double& v : map) v = range > 0 ? (v - least) / range : 0;
  return map;
}

ADVPROP_API float_image normal_layer(int height, int width, double mean, double deviation, random_stream& rng) {
  float_image layer(height, width, 1);
  for (float& v : layer.values) v = static_cast<float>(mean + deviation * static_cast<double>(rng.normal()));
  return layer;
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API byte_image fog(byte_image image, const fog_strength& s, random_stream& rng) {
  const int size = static_cast<int>(std::bit_ceil(static_cast<unsigned>(std::max({image.height, image.width, 2}))));
  const std::vector<double> map = detail::plasma(size, s.decay, rng);
  const double brightest = *std::max_element(image.pixels.begin(), image.pixels.end()) / 255.0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const double height =
          map[static_cast<std::size_t>(y) * static_cast<std::size_t>(size) + static_cast<std::size_t>(x)];
      for (std::uint8_t *v = image.row(y) + x * image.channels, *end = v + image.channels; v != end; ++v)
        *v = truncated((*v / 255.0 + s.amount * height) * brightest / (brightest + s.amount) * 255);
    }
  return image;
}

ADVPROP_API byte_image frost(byte_image image, const frost_strength& s, const frost_pictures& pictures,
                             severity_scale scale, random_stream& rng) {
  const byte_image ice = pictures.part(image.height, image.width, scale, rng);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = truncated(s.image * image.pixels[i] + s.frost * ice.pixels[i]);
  return image;
}

ADVPROP_API byte_image snow(const byte_image& image, const snow_strength& s, random_stream& rng) {
  float_image flakes = clipped_zoom(detail::normal_layer(image.height, image.width, s.mean, s.deviation, rng), s.zoom);
  detail::drop_below(flakes, s.threshold);
  flakes = float_image(to_bytes(flakes));
  motion_filter(flakes, s.motion.radius, s.motion.sigma, static_cast<double>(rng.uniform(-135, -45)));
  float_image result(image);
  const auto keep = static_cast<float>(s.keep);
  const std::size_t pixels = flakes.values.size();
  for (std::size_t i = 0; i < pixels; ++i) {
    float* const v = &result.values[3 * i];
    const float pale = (0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2]) * 1.5f + 0.5f;
    const float fallen = flakes.values[i] + flakes.values[pixels - 1 - i];
    for (int c = 0; c < 3; ++c) v[c] = keep * v[c] + (1 - keep) * std::max(v[c], pale) + fallen;
  }
  return to_bytes(result);
}

}  // namespace advprop::robustness
