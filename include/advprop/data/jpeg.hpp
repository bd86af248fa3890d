// JPEG to RGB, through libjpeg-turbo. Links with -ljpeg.
#pragma once

#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <string>

#include <jpeglib.h>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/compressed.hpp>
#include <advprop/data/exif.hpp>
#include <advprop/data/image_limits.hpp>

namespace advprop {

namespace detail {

/// libjpeg reports errors by a call that must not return: `leave` jumps to where `jump` was set.
struct jpeg_errors : jpeg_error_mgr {
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];

  [[noreturn]] static void leave(j_common_ptr d);

  /// Calls f, in which only libjpeg runs and nothing with a destructor lives; failed() after an error.
  template <class F, class Failed>
  void guarded(F&& f, Failed&& failed) {
    if (setjmp(jump) == 0)
      f();
    else
      failed();
  }
};

/// Errors arrive in `guarded`, whose frame and those above it hold nothing to destroy.
class jpeg_decoder {
 public:
  explicit jpeg_decoder(const std::string& name);
  jpeg_decoder(const jpeg_decoder&) = delete;
  jpeg_decoder& operator=(const jpeg_decoder&) = delete;
  ~jpeg_decoder() { jpeg_destroy_decompress(&d_); }

  byte_image decode(byte_span bytes, const image_limits& limits);

 private:
  template <class F>
  void guarded(F&& f) {
    errors_.guarded(
        f, [this] { fail<file_error>(name_, ": cannot be decoded as JPEG: ", std::string_view(errors_.message)); });
  }

  /// Inks as Adobe writes them, 255 for none, to RGB as Pillow converts them.
  static void to_rgb(const std::uint8_t* inks, int count, std::uint8_t* out);

  const std::string& name_;
  jpeg_errors errors_{};
  jpeg_decompress_struct d_{};
};

}  // namespace detail

/// Decodes baseline and progressive JPEG of grey, colour or inks (CMYK, YCCK), exactly (no scaled or fast transform),
/// and turns it upright by its EXIF orientation. Throws `file_error` beginning with `name` for an image over the limits
/// and for data that are corrupt or end early.
inline byte_image decode_jpeg(byte_span bytes, const std::string& name, const image_limits& limits = {}) {
  return detail::jpeg_decoder(name).decode(bytes, limits);
}

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/jpeg.inl>
#endif
