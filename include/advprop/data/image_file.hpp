// Image files to 8-bit RGB, whatever their names say.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <advprop/core/error.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/compressed.hpp>
#include <advprop/data/image_limits.hpp>
#include <advprop/data/jpeg.hpp>
#include <advprop/data/png.hpp>
#include <advprop/io/file.hpp>

namespace advprop {

enum class image_kind { jpeg, png };

/// Told by the first bytes, of which 8 suffice. Throws `file_error` beginning with `name` for anything else.
inline image_kind kind_of_image(byte_span bytes, const std::string& name) {
  static constexpr std::uint8_t jpeg[] = {0xff, 0xd8, 0xff}, png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  const auto begins_with = [&](byte_span magic) {
    return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
  };
  if (bytes.empty()) fail<file_error>(name, ": is empty");
  if (begins_with(jpeg)) return image_kind::jpeg;
  if (begins_with(png)) return image_kind::png;
  fail<file_error>(name, ": is neither JPEG nor PNG");
}

/// A JPEG or PNG file's content as RGB; `name` is what errors call it.
inline byte_image decode_image(byte_span bytes, const std::string& name, const image_limits& limits = {}) {
  return kind_of_image(bytes, name) == image_kind::jpeg ? decode_jpeg(bytes, name, limits)
                                                        : decode_png(bytes, name, limits);
}

/// A JPEG or PNG file as RGB. Throws `file_error` naming it.
inline byte_image read_image(const std::string& path, const image_limits& limits = {}) {
  return decode_image(read_file<std::uint8_t>(path, limits.bytes), path, limits);
}

}  // namespace advprop
