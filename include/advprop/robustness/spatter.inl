// The definitions of spatter.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include <advprop/robustness/filters.hpp>
#include <advprop/robustness/float_image.hpp>
#include <advprop/robustness/spatter.hpp>
#include <advprop/robustness/weather.hpp>

namespace advprop::robustness::detail {

/// Canny's edges of a grey image, Sobel gradients in the L1 norm: `cv2.Canny`. True where there is one.
inline std::vector<char> canny(const byte_image& image, int low, int high) {
  const int height = image.height, width = image.width;
  const auto index = [width](int y, int x) {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
  };
  const std::size_t count = image.pixels.size();
  std::vector<int> across(count), down(count);
  for (int y = 0; y < height; ++y) {
    const std::uint8_t *above = image.row(std::max(y - 1, 0)), *row = image.row(y),
                       *below = image.row(std::min(y + 1, height - 1));
    for (int x = 0; x < width; ++x) {
      const int l = std::max(x - 1, 0), r = std::min(x + 1, width - 1);
      across[index(y, x)] = above[r] + 2 * row[r] + below[r] - above[l] - 2 * row[l] - below[l];
      down[index(y, x)] = below[l] + 2 * below[x] + below[r] - above[l] - 2 * above[x] - above[r];
    }
  }
  const auto magnitude = [&](int y, int x) {
    if (y < 0 || y >= height || x < 0 || x >= width) return 0;
    return std::abs(across[index(y, x)]) + std::abs(down[index(y, x)]);
  };
  constexpr int tangent = 13573;  // of 22.5 degrees, times 2^15
  // Whether a pixel is the largest across its edge: horizontally, vertically or diagonally.
  const auto largest = [&](int y, int x, int m) {
    const int dx = across[index(y, x)], dy = down[index(y, x)];
    const int flat = std::abs(dx) * tangent, steep = flat + (std::abs(dx) << 16), rise = std::abs(dy) << 15;
    if (rise < flat) return m > magnitude(y, x - 1) && m >= magnitude(y, x + 1);
    if (rise > steep) return m > magnitude(y - 1, x) && m >= magnitude(y + 1, x);
    const int s = (dx ^ dy) < 0 ? -1 : 1;
    return m > magnitude(y - 1, x - s) && m > magnitude(y + 1, x + s);
  };
  std::vector<char> candidate(count), edge(count);
  std::vector<std::array<int, 2>> open;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const int m = magnitude(y, x);
      if (m <= low || !largest(y, x, m)) continue;
      candidate[index(y, x)] = 1;
      if (m > high) edge[index(y, x)] = 1, open.push_back({y, x});
    }
  while (!open.empty()) {  // candidates that touch an edge are edges
    const auto [y, x] = open.back();
    open.pop_back();
    for (int j = std::max(y - 1, 0); j <= std::min(y + 1, height - 1); ++j)
      for (int i = std::max(x - 1, 0); i <= std::min(x + 1, width - 1); ++i)
        if (candidate[index(j, i)] && !edge[index(j, i)]) edge[index(j, i)] = 1, open.push_back({j, i});
  }
  return edge;
}

/// Each pixel's distance from the nearest edge, at most `limit`, along moves to neighbours and knight's moves:
/// `cv2.distanceTransform` with DIST_L2 and a mask of 5.
inline float_image distance_transform(const std::vector<char>& edge, int height, int width, float limit) {
  float_image d(height, width, 1);
  for (std::size_t i = 0; i < edge.size(); ++i) d.values[i] = edge[i] ? 0 : limit;
  struct move {
    int dy, dx;
    float length;
  };
  constexpr move moves[] = {{-2, -1, 2.1969f}, {-2, 1, 2.1969f}, {-1, -2, 2.1969f}, {-1, -1, 1.4f},
                            {-1, 0, 1.0f},     {-1, 1, 1.4f},    {-1, 2, 2.1969f},  {0, -1, 1.0f}};
  const auto pass = [&](int sign) {
    for (int k = 0; k < height; ++k)
      for (int l = 0; l < width; ++l) {
        const int y = sign > 0 ? k : height - 1 - k, x = sign > 0 ? l : width - 1 - l;
        float& v = d.row(y)[x];
        for (const move& m : moves) {
          const int j = y + sign * m.dy, i = x + sign * m.dx;
          if (j >= 0 && j < height && i >= 0 && i < width) v = std::min(v, d.row(j)[i] + m.length);
        }
      }
  };
  pass(1);
  pass(-1);
  return d;
}

/// Makes values 0..255 as uniform as a table can: `cv2.equalizeHist`.
inline void equalize_values(float_image& image) {
  std::array<int, 256> counts{};
  for (const float v : image.values) ++counts[static_cast<std::size_t>(v)];
  std::size_t v = 0;
  while (counts[v] == 0) ++v;
  const int rest = static_cast<int>(image.values.size()) - counts[v];
  if (rest == 0) return;
  std::array<float, 256> table{};
  const float scale = 255.0f / static_cast<float>(rest);
  for (int sum = 0; ++v < 256;) table[v] = std::nearbyint(static_cast<float>(sum += counts[v]) * scale);
  for (float& x : image.values) x = table[static_cast<std::size_t>(x)];
}

inline void box_3(float_image& image) { image = correlate(image, std::vector<float>(9, 1.0f / 9)); }

/// How bright the water is: the layer, with light and shadow along the rims of its drops.
inline float_image water(const float_image& layer, double strength) {
  byte_image drops = byte_image::of(layer.height, layer.width, 1);
  std::transform(layer.values.begin(), layer.values.end(), drops.pixels.begin(), [](float v) {
    return static_cast<std::uint8_t>(static_cast<int>(v * 255.0f));  // as NumPy's: what is past 255 begins at 0 again
  });
  float_image light = distance_transform(canny(drops, 50, 150), layer.height, layer.width, 20);
  const auto each = [&](auto f) { std::transform(light.values.begin(), light.values.end(), light.values.begin(), f); };
  box_3(light);
  each([](float v) { return std::floor(v + 1e-4f); });  // truncates; the sum of nine equal ones may be just below
  equalize_values(light);
  light = correlate(light, {-2, -1, 0, -1, 1, 1, 0, 1, 2});
  each([](float v) { return std::clamp(v, 0.0f, 255.0f); });
  box_3(light);
  each([](float v) { return std::nearbyint(v); });
  float largest = 0;
  for (std::size_t i = 0; i < light.values.size(); ++i)
    largest = std::max(largest, light.values[i] *= static_cast<float>(drops.pixels[i]));
  const float scale = largest > 0 ? static_cast<float>(strength) / largest : 0;
  each([scale](float v) { return v * scale; });
  return light;
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API byte_image spatter(const byte_image& image, const spatter_strength& s, random_stream& rng) {
  float_image layer = detail::normal_layer(image.height, image.width, s.mean, s.deviation, rng);
  gaussian_filter(layer, s.sigma);
  detail::drop_below(layer, s.threshold);
  constexpr float turquoise[] = {175.0f / 255, 238.0f / 255, 238.0f / 255},
                  brown[] = {63.0f / 255, 42.0f / 255, 20.0f / 255};
  if (s.mud) {
    for (float& v : layer.values) v = static_cast<double>(v) > s.threshold ? 1.0f : 0.0f;
    gaussian_filter(layer, s.strength);
    detail::drop_below(layer, 0.8);
  } else {
    layer = detail::water(layer, s.strength);
  }
  float_image result(image);
  for (std::size_t i = 0; i < layer.values.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c) {
      float& v = result.values[3 * i + c];
      const float m = layer.values[i];
      v = s.mud ? v * (1 - m) + brown[c] * m : v + turquoise[c] * m;
    }
  return to_bytes(result);
}

}  // namespace advprop::robustness
