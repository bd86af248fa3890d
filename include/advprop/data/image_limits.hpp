// How large an image file may be.
#pragma once

#include <cstdint>
#include <string>

#include <advprop/core/error.hpp>

namespace advprop {

/// Checked before memory is asked for: a small file may claim a huge image.
struct image_limits {
  std::int64_t pixels = 100'000'000;               ///< height x width
  std::uint64_t bytes = std::uint64_t{512} << 20;  ///< of the file

  /// Throws `file_error` beginning with `name` for an image that is larger.
  void check(std::int64_t height, std::int64_t width, const std::string& name) const {
    if (height > 0 && width > 0 && height > pixels / width)
      fail<file_error>(name, ": an image of ", width, " x ", height, " pixels is larger than the limit of ", pixels);
  }
};

}  // namespace advprop
