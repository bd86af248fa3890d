// PNG to RGB, through libpng. Links with -lpng. (io/png.hpp writes.)
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include <png.h>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/compressed.hpp>
#include <advprop/data/exif.hpp>
#include <advprop/data/image_limits.hpp>

namespace advprop {

namespace detail {

/// As `jpeg_decoder`: libpng's errors jump to `guarded`.
class png_decoder {
 public:
  png_decoder(byte_span bytes, const std::string& name);
  png_decoder(const png_decoder&) = delete;
  png_decoder& operator=(const png_decoder&) = delete;
  ~png_decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  byte_image decode(const image_limits& limits);

 private:
  [[noreturn]] static void leave(png_structp p, png_const_charp text);

  void read(png_bytep out, std::size_t count);

  /// Calls f, in which only libpng runs and nothing with a destructor lives; throws what libpng reports.
  template <class F>
  void guarded(F&& f) {
    if (setjmp(jump_) == 0)
      f();
    else
      fail<file_error>(name_, ": cannot be decoded as PNG: ", std::string_view(message_));
  }

  byte_span rest_;
  const std::string& name_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_;
  char message_[200] = {};
};

}  // namespace detail

/// Decodes PNG of any kind: grey, palette or colour, 1 to 16 bits, interlaced or not. 16 bits become their high byte;
/// transparency and gamma are ignored; an EXIF orientation turns it upright. Throws `file_error` beginning with `name`
/// for an image over the limits and for data that are corrupt or end early.
inline byte_image decode_png(byte_span bytes, const std::string& name, const image_limits& limits = {}) {
  return detail::png_decoder(bytes, name).decode(limits);
}

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/png.inl>
#endif
