// 8-bit pictures: from float images, as PNG bytes, as base64.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/shape.hpp>

namespace advprop {

/// Rows of 8-bit pixels, top first; 1 channel is grey, 3 are RGB.
struct picture {
  int width = 0, height = 0, channels = 1;
  std::vector<std::uint8_t> pixels;

  bool empty() const { return pixels.empty(); }
};

namespace detail {
/// Rounds to 0..255; NaN becomes 0.
ADVPROP_API std::uint8_t to_byte(float v);

}  // namespace detail

/// Image `index` of a batch in [0, 1]; values outside are clamped.
ADVPROP_API picture to_picture(const_image_view images, int index = 0);

/// 128 + magnification * 255 * (adversarial - clean) of image `index`: grey where nothing changed.
ADVPROP_API picture perturbation_picture(const_image_view clean, const_image_view adversarial, float magnification,
                                         int index = 0);

/// The bytes of a PNG file.
/// Throws argument_error where the pixels do not fit width, height and channels.
ADVPROP_API std::string encode_png(const picture& p);

/// RFC 4648, with padding.
ADVPROP_API std::string base64(std::string_view bytes);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/png.inl>
#endif
