// Images of 8 bits a channel and any size, and what changes them.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/augment.hpp>

namespace advprop {

/// One 8-bit image of any size, height x width x channels (1 or 3), row by row: what decoders give and Pillow-like
/// augmentations change.
struct byte_image {
  int height = 0, width = 0, channels = 3;
  std::vector<std::uint8_t> pixels;

  std::uint8_t* row(int y) { return pixels.data() + row_bytes() * static_cast<std::size_t>(y); }
  const std::uint8_t* row(int y) const { return pixels.data() + row_bytes() * static_cast<std::size_t>(y); }
  std::size_t row_bytes() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels); }

  /// All zeros. Throws `argument_error` for a side below 1 and for channels other than 1 and 3.
  static byte_image of(int height, int width, int channels = 3) {
    byte_image image;
    image.reshape(height, width, channels);
    return image;
  }

  /// Another size; the pixels are then unspecified, and the memory is kept.
  void reshape(int new_height, int new_width, int new_channels = 3) {
    if (new_height < 1 || new_width < 1 || (new_channels != 1 && new_channels != 3))
      fail<argument_error>("byte_image: ", new_height, " x ", new_width, " x ", new_channels,
                           "; sides must be 1 or more, channels 1 or 3");
    height = new_height, width = new_width, channels = new_channels;
    pixels.resize(row_bytes() * static_cast<std::size_t>(height));
  }

  friend bool operator==(const byte_image&, const byte_image&) = default;
};

inline void horizontal_flip::operator()(byte_image& image, random_stream& rng) const {
  if (!flips(rng)) return;
  for (int y = 0; y < image.height; ++y)
    for (int left = 0, right = image.width - 1; left < right; ++left, --right)
      std::swap_ranges(image.row(y) + left * image.channels, image.row(y) + (left + 1) * image.channels,
                       image.row(y) + right * image.channels);
}

/// Changes an image in place, at random; may change its size. The random stream is this image's alone; loader threads
/// share one object, so the call is const.
template <class A>
concept byte_augmentation = requires(const A& a, byte_image& image, random_stream& rng) {
  a(image, rng);
};

namespace detail {
/// round(255 v), of what is outside [0, 1] the nearer end; NaN becomes 0.
inline std::uint8_t nearest_byte(float v) {
  return v >= 0 ? static_cast<std::uint8_t>(std::min(v, 1.0f) * 255.0f + 0.5f) : std::uint8_t{0};
}
}  // namespace detail

/// Makes a byte augmentation that keeps the size an ordinary `augmentation`: round(255 x), change, divide by 255.
template <byte_augmentation A>
class on_bytes {
 public:
  explicit on_bytes(A change) : change_(std::move(change)) {}
  void operator()(single_image image, random_stream& rng) const {
    const int height = image.extent(0), width = image.extent(1), channels = image.extent(2);
    thread_local byte_image bytes;  // scratch: kept, so that an image costs no allocation
    bytes.reshape(height, width, channels);
    std::transform(image.begin(), image.end(), bytes.pixels.begin(), detail::nearest_byte);
    change_(bytes, rng);
    if (bytes.height != height || bytes.width != width || bytes.channels != channels)
      fail<argument_error>("on_bytes: an image of ", height, " x ", width, " x ", channels, " became ", bytes.height,
                           " x ", bytes.width, " x ", bytes.channels, "; the size must stay");
    std::transform(bytes.pixels.begin(), bytes.pixels.end(), image.begin(),
                   [](std::uint8_t v) { return static_cast<float>(v) / 255.0f; });
  }

 private:
  A change_;
};

}  // namespace advprop
