// The definitions of image_tables.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <advprop/data/image_tables.hpp>

namespace advprop::detail {

/// Every value of channel c becomes table(c)[value].
template <class TableOf>
void apply_tables(byte_image& image, TableOf&& table) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const byte_table t = table(c);
    for (std::size_t i = c; i < image.pixels.size(); i += channels) image.pixels[i] = t[image.pixels[i]];
  }
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

}  // namespace advprop::detail

namespace advprop::image_ops {

ADVPROP_API void posterize(byte_image& image, int bits) {
  if (bits < 1 || bits > 8) fail<argument_error>("posterize: ", bits, " bits; must be 1 to 8");
  const int mask = ~((1 << (8 - bits)) - 1);
  detail::map_bytes(image, [mask](int v) { return v & mask; });
}

ADVPROP_API void solarize(byte_image& image, float threshold) {
  detail::map_bytes(image, [threshold](int v) { return static_cast<float>(v) < threshold ? v : 255 - v; });
}

ADVPROP_API void autocontrast(byte_image& image) {
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

ADVPROP_API void equalize(byte_image& image) {
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

ADVPROP_API void brightness(byte_image& image, float factor) {
  detail::check_factor("brightness", factor);
  detail::map_bytes(image, [f = static_cast<double>(factor)](int v) { return detail::blended(0, v, f); });
}

}  // namespace advprop::image_ops
