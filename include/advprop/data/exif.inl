// The definitions of exif.hpp (core/linkage.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <advprop/data/exif.hpp>

namespace advprop::detail {

ADVPROP_API int exif_orientation(byte_span tiff) {
  if (tiff.size() < 8) return 1;
  const bool big = tiff[0] == 'M';
  if (std::memcmp(tiff.data(), big ? "MM\0*" : "II*\0", 4) != 0) return 1;
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | tiff[big ? at + i : at + bytes - 1 - i];
    return value;
  };
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0, at = directory + 2; i < entries && at + 12 <= tiff.size(); ++i, at += 12)
    if (number(at, 2) == 0x0112 && number(at + 2, 2) == 3) {  // Orientation, a 16-bit number
      const std::size_t value = number(at + 8, 2);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
  return 1;
}

ADVPROP_API byte_image oriented(byte_image image, int orientation) {
  if (orientation == 1) return image;
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  byte_image result =
      byte_image::of(transposed ? image.width : image.height, transposed ? image.height : image.width, image.channels);
  for (int y = 0; y < result.height; ++y) {
    std::uint8_t* out = result.row(y);
    for (int x = 0; x < result.width; ++x, out += image.channels) {
      const int from_y = transposed ? x : y, from_x = transposed ? y : x;
      std::memcpy(out,
                  image.row(from_bottom ? image.height - 1 - from_y : from_y) +
                      (from_right ? image.width - 1 - from_x : from_x) * image.channels,
                  static_cast<std::size_t>(image.channels));
    }
  }
  return result;
}

}  // namespace advprop::detail
