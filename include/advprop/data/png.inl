// The definitions of png.hpp (core/linkage.hpp).
#pragma once

#include <png.h>

#include <csetjmp>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include <advprop/data/png.hpp>

namespace advprop::detail {

ADVPROP_API png_decoder::png_decoder(byte_span bytes, const std::string& name) : rest_(bytes), name_(name) {
  png_ = png_create_read_struct(
      PNG_LIBPNG_VER_STRING, this, [](png_structp p, png_const_charp text) { leave(p, text); },
      [](png_structp, png_const_charp) {});  // warnings are about chunks that are not looked at
  if (png_) info_ = png_create_info_struct(png_);
  if (!info_) {
    png_destroy_read_struct(&png_, nullptr, nullptr);
    fail(name_, ": libpng has no memory");
  }
}

ADVPROP_API byte_image png_decoder::decode(const image_limits& limits) {
  guarded([this] {
    png_set_read_fn(png_, this, [](png_structp p, png_bytep out, std::size_t count) {
      static_cast<png_decoder*>(png_get_io_ptr(p))->read(out, count);
    });
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // ours follow
    png_read_info(png_, info_);
  });
  const std::int64_t height = png_get_image_height(png_, info_), width = png_get_image_width(png_, info_);
  limits.check(height, width, name_);
  int passes = 1;
  guarded([&] {
    png_set_strip_16(png_);  // the high byte
    png_set_strip_alpha(png_);
    if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (png_get_bit_depth(png_, info_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
    if (!(png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png_);
    passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  });
  byte_image image = byte_image::of(static_cast<int>(height), static_cast<int>(width));
  if (png_get_rowbytes(png_, info_) != image.row_bytes()) fail(name_, ": libpng does not make RGB of it");
  guarded([&] {
    for (int pass = 0; pass < passes; ++pass)
      for (int y = 0; y < image.height; ++y) png_read_row(png_, image.row(y), nullptr);
    png_read_end(png_, info_);
  });
  png_bytep exif = nullptr;
  png_uint_32 count = 0;
  const bool told = png_get_eXIf_1(png_, info_, &count, &exif) != 0;
  return oriented(std::move(image), told ? exif_orientation({exif, count}) : 1);
}

ADVPROP_API void png_decoder::leave(png_structp p, png_const_charp text) {
  auto& d = *static_cast<png_decoder*>(png_get_error_ptr(p));
  std::strncpy(d.message_, text, sizeof d.message_ - 1);
  std::longjmp(d.jump_, 1);
}

ADVPROP_API void png_decoder::read(png_bytep out, std::size_t count) {
  if (count > rest_.size()) png_error(png_, "it is truncated");
  std::memcpy(out, rest_.data(), count);
  rest_ = rest_.subspan(count);
}

}  // namespace advprop::detail
