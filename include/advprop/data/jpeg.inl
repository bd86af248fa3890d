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
    if (constexpr std::size_t head = 6;
        m->marker == JPEG_APP0 + 1 && m->data_length > head && std::memcmp(m->data, "Exif\0", head) == 0)
      orientation = exif_orientation({m->data + head, m->data_length - head});
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
