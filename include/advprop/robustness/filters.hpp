// Filters of float images: Gaussian and general correlation, motion, zoom, and reading between pixels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <advprop/core/linkage.hpp>
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

ADVPROP_API void add_scaled(const float* in, float weight, std::size_t count, float* out);

}  // namespace detail

/// Gaussian blur up to `truncate` standard deviations away: `scipy.ndimage.gaussian_filter`.
ADVPROP_API void gaussian_filter(float_image& image, double sigma, border edge = border::nearest, double truncate = 4);

/// Correlation with a square kernel of odd size, row by row in `weights`: `cv2.filter2D`.
ADVPROP_API float_image correlate(const float_image& image, const std::vector<float>& weights,
                                  border edge = border::reflect_101);

/// One-sided Gaussian blur over 2 radius + 1 pixels of a direction: ImageMagick's MotionBlurImage. Results are rounded
/// to 16 bits, and those truncated to 8.
ADVPROP_API void motion_filter(float_image& image, double radius, double sigma, double degrees);

/// The middle of the image, enlarged to the image's size: `scipy.ndimage.zoom` of order 1, cropped. The factor is 1 or
/// more.
ADVPROP_API float_image clipped_zoom(const float_image& image, double factor);

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

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/filters.inl>
#endif
