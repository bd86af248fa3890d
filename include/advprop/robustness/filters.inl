// The definitions of filters.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <advprop/robustness/filters.hpp>

namespace advprop::robustness::detail {

/// `row` with `reach` pixels more on each side.
inline void pad_row(const float* row, int width, int channels, int reach, border edge, float* out) {
  for (int x = -reach; x < width + reach; ++x, out += channels)
    std::copy_n(row + inside(edge, x, width) * channels, channels, out);
}

ADVPROP_API void add_scaled(const float* in, float weight, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] += weight * in[i];
}

/// exp(-x^2 / (2 sigma^2)) for x in [first, last], with the sum 1.
inline std::vector<float> gaussian_weights(double sigma, int first, int last) {
  std::vector<double> w;
  double sum = 0;
  for (int x = first; x <= last; ++x) sum += w.emplace_back(std::exp(-0.5 * x * x / (sigma * sigma)));
  std::vector<float> result;
  for (const double v : w) result.push_back(static_cast<float>(v / sum));
  return result;
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API void gaussian_filter(float_image& image, double sigma, border edge, double truncate) {
  const int radius = static_cast<int>(truncate * sigma + 0.5);
  if (radius == 0) return;
  const std::vector<float> weights = detail::gaussian_weights(sigma, -radius, radius);
  const std::size_t count = image.row_size();
  float_image down(image.height, image.width, image.channels);
  for (int y = 0; y < image.height; ++y)
    for (int k = -radius; k <= radius; ++k)
      detail::add_scaled(image.row(inside(edge, y + k, image.height)), weights[static_cast<std::size_t>(k + radius)],
                         count, down.row(y));
  std::vector<float> padded(count + 2 * static_cast<std::size_t>(radius * image.channels));
  for (int y = 0; y < image.height; ++y) {
    detail::pad_row(down.row(y), image.width, image.channels, radius, edge, padded.data());
    std::fill_n(image.row(y), count, 0.0f);
    for (std::size_t k = 0; k < weights.size(); ++k)
      detail::add_scaled(padded.data() + k * static_cast<std::size_t>(image.channels), weights[k], count, image.row(y));
  }
}

ADVPROP_API float_image correlate(const float_image& image, const std::vector<float>& weights, border edge) {
  const int size = static_cast<int>(std::lround(std::sqrt(static_cast<double>(weights.size())))), radius = size / 2;
  const std::size_t count = image.row_size(), channels = static_cast<std::size_t>(image.channels);
  float_image result(image.height, image.width, image.channels);
  std::vector<float> padded(count + 2 * static_cast<std::size_t>(radius) * channels);
  for (int from = -radius; from < image.height + radius; ++from) {  // every row of the padded image, to all it reaches
    detail::pad_row(image.row(inside(edge, from, image.height)), image.width, image.channels, radius, edge,
                    padded.data());
    for (int ky = 0; ky < size; ++ky) {
      const int y = from + radius - ky;
      if (y < 0 || y >= image.height) continue;
      for (int kx = 0; kx < size; ++kx)
        if (const float w = weights[static_cast<std::size_t>(ky * size + kx)]; w != 0)
          detail::add_scaled(padded.data() + static_cast<std::size_t>(kx) * channels, w, count, result.row(y));
    }
  }
  return result;
}

ADVPROP_API void motion_filter(float_image& image, double radius, double sigma, double degrees) {
  const int width = 2 * static_cast<int>(std::ceil(radius)) + 1;
  const std::vector<float> weights = detail::gaussian_weights(sigma, 0, width - 1);
  const double angle = degrees * (std::numbers::pi / 180);
  const auto offset = [](int i, double part) { return static_cast<int>(std::ceil(i * part - 0.5)); };
  const std::size_t count = image.row_size();
  const int reach = width - 1;
  float_image padded(image.height, image.width + 2 * reach, image.channels);
  for (int y = 0; y < image.height; ++y)
    detail::pad_row(image.row(y), image.width, image.channels, reach, border::nearest, padded.row(y));
  for (int y = 0; y < image.height; ++y) {
    float* const out = image.row(y);
    std::fill_n(out, count, 0.0f);
    for (int i = 0; i < width; ++i) {
      const float* const from = padded.row(inside(border::nearest, y + offset(i, std::sin(angle)), image.height));
      detail::add_scaled(from + (reach + offset(i, std::cos(angle))) * image.channels,
                         weights[static_cast<std::size_t>(i)], count, out);
    }
    for (std::size_t i = 0; i < count; ++i)
      out[i] = static_cast<float>(static_cast<int>(out[i] * 65535.0f + 0.5f) / 257) / 255.0f;
  }
}

ADVPROP_API float_image clipped_zoom(const float_image& image, double factor) {
  struct tap {
    int at, next;
    float part;
  };
  const auto taps = [factor](int size) {
    const int crop = static_cast<int>(std::ceil(size / factor)), first = (size - crop) / 2;
    const int enlarged = std::max(static_cast<int>(std::nearbyint(crop * factor)), size), trim = (enlarged - size) / 2;
    std::vector<tap> result;
    for (int i = trim; i < trim + size; ++i) {
      const double at = enlarged == 1 ? 0 : static_cast<double>(i) * (crop - 1) / (enlarged - 1);
      const int low = std::min(static_cast<int>(at), crop - 1);
      result.push_back({first + low, first + std::min(low + 1, crop - 1), static_cast<float>(at - low)});
    }
    return result;
  };
  const std::vector<tap> across = taps(image.width), down = taps(image.height);
  float_image result(image.height, image.width, image.channels);
  std::vector<float> between(image.row_size());
  for (int y = 0; y < image.height; ++y) {
    const tap& v = down[static_cast<std::size_t>(y)];
    const float *upper = image.row(v.at), *lower = image.row(v.next);
    for (std::size_t i = 0; i < between.size(); ++i) between[i] = upper[i] + (lower[i] - upper[i]) * v.part;
    float* out = result.row(y);
    for (const tap& h : across)
      for (int c = 0; c < image.channels; ++c) {
        const float left = between[static_cast<std::size_t>(h.at * image.channels + c)];
        const float right = between[static_cast<std::size_t>(h.next * image.channels + c)];
        *out++ = left + (right - left) * h.part;
      }
  }
  return result;
}

}  // namespace advprop::robustness
