// Filters of float images: Gaussian and general correlation, motion, zoom, and reading between pixels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <advprop/robustness/float_image.hpp>

namespace advprop::robustness {

/// What stands outside an image abcd: aaaa|abcd|dddd, dcba|abcd|dcba, or dcb|abcd|cba.
enum class border { nearest, reflect, reflect_101 };

/// The position inside [0, n) that stands for position i.
inline int inside(border edge, int i, int n) {
  if (i >= 0 && i < n) return i;
  if (edge == border::nearest || n == 1) return std::clamp(i, 0, n - 1);
  const int period = edge == border::reflect ? 2 * n : 2 * n - 2;
  i %= period;
  if (i < 0) i += period;
  return i < n ? i : (edge == border::reflect ? period - 1 : period) - i;
}

namespace detail {

/// `row` with `reach` pixels more on each side.
inline void pad_row(const float* row, int width, int channels, int reach, border edge, float* out) {
  for (int x = -reach; x < width + reach; ++x, out += channels)
    std::copy_n(row + inside(edge, x, width) * channels, channels, out);
}

inline void add_scaled(const float* in, float weight, std::size_t count, float* out) {
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

}  // namespace detail

/// Gaussian blur up to `truncate` standard deviations away: `scipy.ndimage.gaussian_filter`.
inline void gaussian_filter(float_image& image, double sigma, border edge = border::nearest, double truncate = 4) {
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

/// Correlation with a square kernel of odd size, row by row in `weights`: `cv2.filter2D`.
inline float_image correlate(const float_image& image, const std::vector<float>& weights,
                             border edge = border::reflect_101) {
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

/// One-sided Gaussian blur over 2 radius + 1 pixels of a direction: ImageMagick's MotionBlurImage. Results are rounded
/// to 16 bits, and those truncated to 8.
inline void motion_filter(float_image& image, double radius, double sigma, double degrees) {
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

/// The middle of the image, enlarged to the image's size: `scipy.ndimage.zoom` of order 1, cropped. The factor is 1 or
/// more.
inline float_image clipped_zoom(const float_image& image, double factor) {
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

/// The value of all channels between the four pixels around (x, y).
inline void read_linear(const float_image& image, double x, double y, border edge, float* out) {
  constexpr double far = 1e6;  // a position that an int can hold
  x = std::clamp(x, -far, far), y = std::clamp(y, -far, far);
  const int left = static_cast<int>(std::floor(x)), top = static_cast<int>(std::floor(y));
  const auto part_x = static_cast<float>(x - left), part_y = static_cast<float>(y - top);
  const int x0 = inside(edge, left, image.width) * image.channels;
  const int x1 = inside(edge, left + 1, image.width) * image.channels;
  const float* const upper = image.row(inside(edge, top, image.height));
  const float* const lower = image.row(inside(edge, top + 1, image.height));
  for (int c = 0; c < image.channels; ++c) {
    const float above = upper[x0 + c] + (upper[x1 + c] - upper[x0 + c]) * part_x;
    const float below = lower[x0 + c] + (lower[x1 + c] - lower[x0 + c]) * part_x;
    out[c] = above + (below - above) * part_y;
  }
}

}  // namespace advprop::robustness
