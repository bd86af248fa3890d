// tests/golden/images.safetensors: files, and what Pillow and torchvision make of images.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/io/safetensors.hpp>

namespace golden_images {

inline const advprop::safetensors& file() {
  static const auto content = advprop::safetensors::read(ADVPROP_TEST_SOURCE "/golden/images.safetensors");
  return content;
}
inline std::vector<std::uint8_t> bytes(const std::string& key) { return file().values<std::uint8_t>(key); }

inline advprop::byte_image image(const std::string& key) {
  const auto& extents = file().at(key).shape;
  auto result = advprop::byte_image::of(static_cast<int>(extents[0]), static_cast<int>(extents[1]),
                                        extents.size() == 2 ? 1 : static_cast<int>(extents[2]));
  result.pixels = bytes(key);
  return result;
}

/// The stream of this name, as tests/golden/data.py has it.
inline advprop::random_stream golden_stream(const std::string& name) {
  std::uint64_t tag = 0xcbf29ce484222325u;
  for (char c : name) tag = (tag ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return advprop::random_stream(2026).split(tag);
}

/// The largest difference of a pixel; 256 where sizes differ.
inline int difference(const advprop::byte_image& a, const advprop::byte_image& b) {
  if (a.height != b.height || a.width != b.width || a.channels != b.channels) return 256;
  int worst = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) worst = std::max(worst, std::abs(a.pixels[i] - b.pixels[i]));
  return worst;
}

}  // namespace golden_images
