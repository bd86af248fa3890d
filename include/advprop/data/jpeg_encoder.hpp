// 8-bit images to JPEG, through libjpeg-turbo, with Pillow's settings. Links with -ljpeg.
#pragma once

#include <cstdint>
#include <cstdio>  // before jpeglib.h, which needs it
#include <cstdlib>
#include <string_view>
#include <vector>

#include <jpeglib.h>

#include <advprop/core/error.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/jpeg.hpp>

namespace advprop {

namespace detail {

/// As `jpeg_decoder`, `guarded` is where libjpeg's errors arrive.
class jpeg_encoder {
 public:
  jpeg_encoder() {
    e_.err = jpeg_std_error(&errors_);
    errors_.error_exit = jpeg_errors::leave;
    guarded([this] { jpeg_create_compress(&e_); });
  }
  jpeg_encoder(const jpeg_encoder&) = delete;
  jpeg_encoder& operator=(const jpeg_encoder&) = delete;
  ~jpeg_encoder() {
    jpeg_destroy_compress(&e_);
    std::free(out_);
  }

  std::vector<std::uint8_t> encode(const byte_image& image, int quality, bool optimize) {
    guarded([&] {
      jpeg_mem_dest(&e_, &out_, &size_);
      e_.image_height = static_cast<JDIMENSION>(image.height);
      e_.image_width = static_cast<JDIMENSION>(image.width);
      e_.input_components = image.channels;
      e_.in_color_space = image.channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
      jpeg_set_defaults(&e_);  // YCbCr, 4:2:0
      jpeg_set_quality(&e_, quality, TRUE);
      e_.optimize_coding = optimize ? TRUE : FALSE;
      jpeg_start_compress(&e_, TRUE);
      while (e_.next_scanline < e_.image_height) {
        auto* row = const_cast<JSAMPLE*>(image.row(static_cast<int>(e_.next_scanline)));  // libjpeg only reads it
        jpeg_write_scanlines(&e_, &row, 1);
      }
      jpeg_finish_compress(&e_);
    });
    return {out_, out_ + size_};
  }

 private:
  template <class F>
  void guarded(F&& f) {
    errors_.guarded(f, [this] { fail<argument_error>("encode_jpeg: ", std::string_view(errors_.message)); });
  }

  jpeg_errors errors_{};
  unsigned char* out_ = nullptr;  // libjpeg allocates it
  unsigned long size_ = 0;
  jpeg_compress_struct e_{};
};

}  // namespace detail

/// Baseline JPEG, 4:2:0 where there is colour: `Image.save(file, "JPEG", quality=quality, optimize=optimize)` of
/// Pillow. Throws `argument_error` for a quality outside 1..100 and for a side above 65500.
inline std::vector<std::uint8_t> encode_jpeg(const byte_image& image, int quality, bool optimize = false) {
  if (quality < 1 || quality > 100) fail<argument_error>("encode_jpeg: quality ", quality, "; must be 1 to 100");
  return detail::jpeg_encoder().encode(image, quality, optimize);
}

}  // namespace advprop
