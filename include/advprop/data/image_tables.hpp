// Changes to 8-bit images that look at one value at a time: Pillow's ImageOps, bit for bit.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>

namespace advprop {

namespace detail {

using byte_table = std::array<std::uint8_t, 256>;
using histogram = std::array<std::int64_t, 256>;

/// Memory that one operation needs while it runs: kept, so that an image costs no allocation.
inline std::vector<std::uint8_t>& image_scratch(std::size_t bytes) {
  thread_local std::vector<std::uint8_t> scratch;
  scratch.resize(bytes);
  return scratch;
}

/// A number that has been rounded: no compiler fuses the multiplication before it with the addition after it. Pillow's
/// results are truncated, so the last bit of a product can decide a pixel.
inline double rounded(double v) {
  volatile double r = v;
  return r;
}

/// Pillow's blend, from + factor (to - from), in its arithmetic: float, truncated. The product is exact in double and
/// then rounded to float, which again leaves nothing to fuse.
inline std::uint8_t blended(int from, int to, double factor) {
  const float v = static_cast<float>(from) + static_cast<float>(factor * (to - from));
  return static_cast<std::uint8_t>(static_cast<int>(std::clamp(v, 0.0f, 255.0f)));
}

inline void check_factor(const char* op, float factor) {
  if (!std::isfinite(factor)) fail<argument_error>(op, ": factor ", factor, "; must be finite");
}

/// Every value v, of all channels, becomes f(v).
template <class F>
void map_bytes(byte_image& image, F f) {
  byte_table t;
  for (int v = 0; v < 256; ++v) t[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(f(v));
  for (std::uint8_t& v : image.pixels) v = t[v];
}

}  // namespace detail

/// Operations on one image, in place. They give Pillow's and torchvision's bytes, for images of mode RGB and L.
namespace image_ops {

inline void invert(byte_image& image) {
  detail::map_bytes(image, [](int v) { return 255 - v; });
}

/// Keeps the highest `bits` bits of every value. Throws `argument_error` for bits outside 1..8.
ADVPROP_API void posterize(byte_image& image, int bits);

/// Inverts the values from `threshold` on.
ADVPROP_API void solarize(byte_image& image, float threshold);

/// Stretches each channel so that its lowest value becomes 0 and its highest 255.
ADVPROP_API void autocontrast(byte_image& image);

/// Makes each channel's values as uniform as a table can.
ADVPROP_API void equalize(byte_image& image);

/// Towards black (factor below 1) or away from it: torchvision's adjust_brightness. Factors are 0 or more, 1 changes
/// nothing.
ADVPROP_API void brightness(byte_image& image, float factor);

}  // namespace image_ops
}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/image_tables.inl>
#endif
