// Images in float, [0, 1], between 8-bit ones: what filters work on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <advprop/data/byte_image.hpp>

namespace advprop::robustness {

/// Height x width x channels, row by row.
struct float_image {
  int height = 0, width = 0, channels = 3;
  std::vector<float> values;

  float_image() = default;
  /// All zeros.
  float_image(int h, int w, int c)
      : height(h),
        width(w),
        channels(c),
        values(static_cast<std::size_t>(h) * static_cast<std::size_t>(w) * static_cast<std::size_t>(c)) {}
  /// v / 255.
  explicit float_image(const byte_image& image) : float_image(image.height, image.width, image.channels) {
    std::transform(image.pixels.begin(), image.pixels.end(), values.begin(),
                   [](std::uint8_t v) { return static_cast<float>(v) / 255.0f; });
  }

  std::size_t row_size() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels); }
  float* row(int y) { return values.data() + row_size() * static_cast<std::size_t>(y); }
  const float* row(int y) const { return values.data() + row_size() * static_cast<std::size_t>(y); }
};

/// Clamped to 0..255 and truncated, as the official scripts store a result; NaN becomes 0.
inline std::uint8_t truncated(double v) {
  return v > 0 ? static_cast<std::uint8_t>(std::min(v, 255.0)) : std::uint8_t{0};
}
inline std::uint8_t truncated(float v) {
  return v > 0 ? static_cast<std::uint8_t>(std::min(v, 255.0f)) : std::uint8_t{0};
}

/// 255 v, truncated.
inline byte_image to_bytes(const float_image& image) {
  byte_image result = byte_image::of(image.height, image.width, image.channels);
  std::transform(image.values.begin(), image.values.end(), result.pixels.begin(),
                 [](float v) { return truncated(v * 255.0f); });
  return result;
}

}  // namespace advprop::robustness
