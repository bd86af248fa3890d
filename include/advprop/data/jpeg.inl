// The definitions of jpeg.hpp (core/linkage.hpp).
#pragma once

#include <jpeglib.h>

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <advprop/data/jpeg.hpp>

namespace advprop::detail {

ADVPROP_API int exif_orientation(byte_span segment) {
  constexpr std::size_t head = 6;  // "Exif\0\0", then a TIFF file
  if (segment.size() < head + 8 || std::memcmp(segment.data(), "Exif\0", head) != 0) return 1;
  const byte_span tiff = segment.subspan(head);
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

ADVPROP_API void jpeg_errors::leave(j_common_ptr d) {
  auto* e = static_cast<jpeg_errors*>(d->err);
  e->format_message(d, e->message);
  std::longjmp(e->jump, 1);
}

ADVPROP_API jpeg_decoder::jpeg_decoder(const std::string& name) : name_(name) {
  d_.err = jpeg_std_error(&errors_);
  errors_.error_exit = jpeg_errors::leave;
  // Level -1 is a warning: data are corrupt or end too early, and libjpeg would make something up.
  errors_.emit_message = [](j_common_ptr d, int level) {
    if (level < 0) jpeg_errors::leave(d);
  };
  guarded([this] { jpeg_create_decompress(&d_); });
}

ADVPROP_API byte_image jpeg_decoder::decode(byte_span bytes, const image_limits& limits) {
  guarded([&] {
    jpeg_mem_src(&d_, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_save_markers(&d_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&d_, TRUE);
  });
  int orientation = 1;
  for (jpeg_saved_marker_ptr m = d_.marker_list; m && orientation == 1; m = m->next)
    if (m->marker == JPEG_APP0 + 1) orientation = exif_orientation({m->data, m->data_length});
  limits.check(d_.image_height, d_.image_width, name_);
  const bool ink = d_.jpeg_color_space == JCS_CMYK || d_.jpeg_color_space == JCS_YCCK;
  d_.out_color_space = ink ? JCS_CMYK : JCS_RGB;
  byte_image image = byte_image::of(static_cast<int>(d_.image_height), static_cast<int>(d_.image_width));
  std::vector<std::uint8_t> inks(ink ? std::size_t{4} * d_.image_width : 0);
  guarded([&] {
    jpeg_start_decompress(&d_);
    while (d_.output_scanline < d_.output_height) {
      std::uint8_t* out = image.row(static_cast<int>(d_.output_scanline));
      JSAMPROW row = ink ? inks.data() : out;
      jpeg_read_scanlines(&d_, &row, 1);
      if (ink) to_rgb(inks.data(), image.width, out);
    }
  });
  return oriented(std::move(image), orientation);
}

ADVPROP_API void jpeg_decoder::to_rgb(const std::uint8_t* inks, int count, std::uint8_t* out) {
  for (int i = 0; i < count; ++i, inks += 4)
    for (int c = 0; c < 3; ++c) {
      const int light = inks[3], product = (255 - inks[c]) * light + 128;
      *out++ = static_cast<std::uint8_t>(light - ((product >> 8) + product) / 256);
    }
}

}  // namespace advprop::detail
