// JPEG and PNG files in memory, of kinds that Pillow does not write, and small changes to files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include <doctest/doctest.h>

#include <advprop/data/byte_image.hpp>

namespace image_bytes {

using bytes = std::vector<std::uint8_t>;

/// Rows of samples as the encoder takes them: `channels` a pixel in the colour space `in`, stored as `stored`.
inline bytes jpeg(const bytes& samples, int height, int width, int channels, J_COLOR_SPACE in, J_COLOR_SPACE stored) {
  jpeg_compress_struct c{};
  jpeg_error_mgr errors{};
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&c, &memory, &size);
  c.image_width = static_cast<JDIMENSION>(width);
  c.image_height = static_cast<JDIMENSION>(height);
  c.input_components = channels;
  c.in_color_space = in;
  jpeg_set_defaults(&c);
  jpeg_set_colorspace(&c, stored);
  jpeg_set_quality(&c, 100, TRUE);
  jpeg_start_compress(&c, TRUE);
  while (c.next_scanline < c.image_height) {
    auto* row = const_cast<JSAMPLE*>(samples.data()) +
                std::size_t{c.next_scanline} * static_cast<std::size_t>(width * channels);
    jpeg_write_scanlines(&c, &row, 1);
  }
  jpeg_finish_compress(&c);
  const bytes result(memory, memory + size);
  jpeg_destroy_compress(&c);
  std::free(memory);
  return result;
}
inline bytes jpeg(const advprop::byte_image& image) {
  const J_COLOR_SPACE in = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  return jpeg(image.pixels, image.height, image.width, image.channels, in, image.channels == 1 ? in : JCS_YCbCr);
}

/// A PNG file of rows that libpng takes as they are (16 bits: the high byte first).
inline bytes png(const bytes& rows, int height, int width, int depth, int color_type, bool interlaced = false) {
  bytes result;
  png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(p);
  png_set_write_fn(
      p, &result,
      [](png_structp to, png_bytep data, std::size_t count) {
        auto& all = *static_cast<bytes*>(png_get_io_ptr(to));
        all.insert(all.end(), data, data + count);
      },
      nullptr);
  png_set_IHDR(p, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), depth, color_type,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(p, info);
  const std::size_t stride = png_get_rowbytes(p, info);
  REQUIRE(rows.size() == stride * static_cast<std::size_t>(height));
  std::vector<png_bytep> pointers;
  for (int y = 0; y < height; ++y)
    pointers.push_back(const_cast<png_bytep>(rows.data()) + stride * static_cast<std::size_t>(y));
  png_write_image(p, pointers.data());
  png_write_end(p, nullptr);
  png_destroy_write_struct(&p, &info);
  return result;
}
inline bytes png(const advprop::byte_image& image, bool interlaced = false) {
  return png(image.pixels, image.height, image.width, 8, image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
             interlaced);
}

/// The first bytes of a PNG file, up to where pixels begin, that claims a size.
inline bytes png_claiming(std::uint32_t height, std::uint32_t width) {
  bytes result = png(advprop::byte_image::of(1, 1));
  for (int i = 0; i < 4; ++i) {
    result[static_cast<std::size_t>(16 + i)] = static_cast<std::uint8_t>(width >> (24 - 8 * i));
    result[static_cast<std::size_t>(20 + i)] = static_cast<std::uint8_t>(height >> (24 - 8 * i));
  }
  const auto sum = static_cast<std::uint32_t>(crc32(0, result.data() + 12, 17));  // of the kind and its 13 bytes
  for (int i = 0; i < 4; ++i) result[static_cast<std::size_t>(29 + i)] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
  return result;
}

/// A JPEG file whose frame header claims another size.
inline bytes jpeg_claiming(int height, int width) {
  bytes result = jpeg(advprop::byte_image::of(8, 8));
  for (std::size_t i = 2; i + 9 < result.size();) {
    if (result[i + 1] == 0xc0) {
      result[i + 5] = static_cast<std::uint8_t>(height >> 8), result[i + 6] = static_cast<std::uint8_t>(height);
      result[i + 7] = static_cast<std::uint8_t>(width >> 8), result[i + 8] = static_cast<std::uint8_t>(width);
      return result;
    }
    i += 2 + static_cast<std::size_t>(result[i + 2] << 8 | result[i + 3]);
  }
  FAIL("no frame header");
  return {};
}

}  // namespace image_bytes
