// tests/golden/augment.safetensors: what Pillow and torchvision make of small images.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/io/safetensors.hpp>

namespace golden_augment {

inline const advprop::safetensors& file() {
  static const auto content = advprop::safetensors::read(ADVPROP_TEST_SOURCE "/golden/augment.safetensors");
  return content;
}
inline std::vector<float> numbers(const std::string& key) { return file().values<float>(key); }

inline advprop::byte_image image(const std::string& key) {
  const auto& extents = file().at(key).shape;
  auto result = advprop::byte_image::of(static_cast<int>(extents[0]), static_cast<int>(extents[1]),
                                        extents.size() == 2 ? 1 : static_cast<int>(extents[2]));
  result.pixels = file().values<std::uint8_t>(key);
  return result;
}

template <class Bytes>
std::uint64_t fnv1a(const Bytes& bytes) {
  std::uint64_t value = 0xCBF29CE484222325ull;
  for (auto b : bytes) value = (value ^ static_cast<std::uint8_t>(b)) * 0x100000001B3ull;
  return value;
}

/// The hashes of images' bytes, 64 bits each.
inline std::vector<std::uint64_t> hashes(const std::string& key) {
  const auto bytes = file().values<std::uint8_t>(key);
  std::vector<std::uint64_t> result(bytes.size() / 8);
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

/// The stream that the script calls by this name.
inline advprop::random_stream stream(std::string_view name) { return advprop::random_stream(2026).split(fnv1a(name)); }

}  // namespace golden_augment
