// Changes to 8-bit images that look at one value at a time: Pillow's ImageOps, bit for bit.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <advprop/core/error.hpp>
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

/// Every value of channel c becomes table(c)[value].
template <class TableOf>
void apply_tables(byte_image& image, TableOf&& table) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const byte_table t = table(c);
    for (std::size_t i = c; i < image.pixels.size(); i += channels) image.pixels[i] = t[image.pixels[i]];
  }
}

/// Every value v, of all channels, becomes f(v).
template <class F>
void map_bytes(byte_image& image, F f) {
  byte_table t;
  for (int v = 0; v < 256; ++v) t[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(f(v));
  for (std::uint8_t& v : image.pixels) v = t[v];
}

inline histogram channel_histogram(const byte_image& image, std::size_t channel) {
  std::array<std::array<std::int32_t, 256>, 2> counts{};  // two, as neighbours are often equal and wait for each other
  const auto channels = static_cast<std::size_t>(image.channels);
  std::size_t i = channel;
  for (; i + channels < image.pixels.size(); i += 2 * channels)
    ++counts[0][image.pixels[i]], ++counts[1][image.pixels[i + channels]];
  if (i < image.pixels.size()) ++counts[0][image.pixels[i]];
  histogram h;
  for (std::size_t v = 0; v < 256; ++v) h[v] = std::int64_t{counts[0][v]} + counts[1][v];
  return h;
}

inline byte_table identity_table() {
  byte_table t;
  for (std::size_t v = 0; v < 256; ++v) t[v] = static_cast<std::uint8_t>(v);
  return t;
}

}  // namespace detail

/// Operations on one image, in place. They give Pillow's and torchvision's bytes, for images of mode RGB and L.
namespace image_ops {

inline void invert(byte_image& image) {
  detail::map_bytes(image, [](int v) { return 255 - v; });
}

/// Keeps the highest `bits` bits of every value. Throws `argument_error` for bits outside 1..8.
inline void posterize(byte_image& image, int bits) {
  if (bits < 1 || bits > 8) fail<argument_error>("posterize: ", bits, " bits; must be 1 to 8");
  const int mask = ~((1 << (8 - bits)) - 1);
  detail::map_bytes(image, [mask](int v) { return v & mask; });
}

/// Inverts the values from `threshold` on.
inline void solarize(byte_image& image, float threshold) {
  detail::map_bytes(image, [threshold](int v) { return static_cast<float>(v) < threshold ? v : 255 - v; });
}

/// Stretches each channel so that its lowest value becomes 0 and its highest 255.
inline void autocontrast(byte_image& image) {
  detail::apply_tables(image, [&image](std::size_t c) {
    const detail::histogram h = detail::channel_histogram(image, c);
    int low = 0, high = 255;
    while (low < 255 && h[static_cast<std::size_t>(low)] == 0) ++low;
    while (high > 0 && h[static_cast<std::size_t>(high)] == 0) --high;
    detail::byte_table t = detail::identity_table();
    if (high <= low) return t;
    const double scale = 255.0 / (high - low), offset = -low * scale;
    for (int v = 0; v < 256; ++v)
      t[static_cast<std::size_t>(v)] =
          static_cast<std::uint8_t>(std::clamp(static_cast<int>(detail::rounded(v * scale) + offset), 0, 255));
    return t;
  });
}

/// Makes each channel's values as uniform as a table can.
inline void equalize(byte_image& image) {
  detail::apply_tables(image, [&image](std::size_t c) {
    const detail::histogram h = detail::channel_histogram(image, c);
    std::size_t last = 255;
    while (last > 0 && h[last] == 0) --last;
    const std::int64_t step = (std::int64_t{image.height} * image.width - h[last]) / 255;
    detail::byte_table t = detail::identity_table();
    if (step == 0) return t;
    std::int64_t n = step / 2;
    for (std::size_t v = 0; v < 256; ++v) {
      t[v] = static_cast<std::uint8_t>(std::min<std::int64_t>(n / step, 255));
      n += h[v];
    }
    return t;
  });
}

/// Towards black (factor below 1) or away from it: torchvision's adjust_brightness. Factors are 0 or more, 1 changes
/// nothing.
inline void brightness(byte_image& image, float factor) {
  detail::check_factor("brightness", factor);
  detail::map_bytes(image, [f = static_cast<double>(factor)](int v) { return detail::blended(0, v, f); });
}

}  // namespace image_ops
}  // namespace advprop
