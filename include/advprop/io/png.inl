// The definitions of png.hpp (core/linkage.hpp).
#pragma once

#include <png.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/io/png.hpp>

namespace advprop::detail {

ADVPROP_API std::uint8_t to_byte(float v) {
  return v >= 0 ? static_cast<std::uint8_t>(std::min(v, 255.f) + 0.5f) : std::uint8_t{0};
}

inline picture picture_like(const_image_view images, int index) {
  if (index < 0 || index >= images.extent(0))
    fail<argument_error>("picture: image ", index, " of ", images.extent(0), " does not exist");
  if (images.extent(3) != 1 && images.extent(3) != 3)
    fail<argument_error>("picture: images have ", images.extent(3), " channels instead of 1 or 3");
  return {images.extent(2), images.extent(1), images.extent(3),
          std::vector<std::uint8_t>(static_cast<std::size_t>(images.stride()))};
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API picture to_picture(const_image_view images, int index) {
  auto result = detail::picture_like(images, index);
  const float* x = images.data() + index * images.stride();
  for (auto& p : result.pixels) p = detail::to_byte(255.f * *x++);
  return result;
}

ADVPROP_API picture perturbation_picture(const_image_view clean, const_image_view adversarial, float magnification,
                                         int index) {
  if (clean.extents() != adversarial.extents())
    fail<argument_error>("perturbation_picture: the clean and the adversarial images differ in shape");
  auto result = detail::picture_like(clean, index);
  const float* x = clean.data() + index * clean.stride();
  const float* a = adversarial.data() + index * adversarial.stride();
  for (auto& p : result.pixels) p = detail::to_byte(128.f + magnification * 255.f * (*a++ - *x++));
  return result;
}

ADVPROP_API std::string encode_png(const picture& p) {
  if (p.width < 1 || p.height < 1 || (p.channels != 1 && p.channels != 3) ||
      p.pixels.size() != std::size_t(p.width) * std::size_t(p.height) * std::size_t(p.channels))
    fail<argument_error>("encode_png: ", p.pixels.size(), " bytes are not a picture of ", p.width, " x ", p.height,
                         " x ", p.channels);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(p.width);
  image.height = static_cast<png_uint_32>(p.height);
  image.format = p.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, p.pixels.data(), 0, nullptr))
    fail<error>("encode_png: ", std::string_view(image.message));
  bytes.resize(size);
  return bytes;
}

ADVPROP_API std::string base64(std::string_view bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= left ? digits[group >> (18 - 6 * k) & 63u] : '=';
  }
  return text;
}

}  // namespace advprop
