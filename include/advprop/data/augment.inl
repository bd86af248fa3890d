// The definitions of augment.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/data/augment.hpp>

namespace advprop {

ADVPROP_API void pad_crop::operator()(single_image image, random_stream& rng) const {
  const int height = image.extent(0), width = image.extent(1), channels = image.extent(2);
  if (pixels < 0) fail<argument_error>("pad_crop: ", pixels, " pixels; must be 0 or more");
  if (fill == padding::reflect && pixels >= std::min(height, width))
    fail<argument_error>("pad_crop: ", pixels, " pixels cannot be reflected from an image of ", height, "x", width);
  if (pixels == 0) return;
  const int dy = rng.below(2 * pixels + 1) - pixels, dx = rng.below(2 * pixels + 1) - pixels;
  thread_local std::vector<float> original;  // scratch: kept, so that an image costs no allocation
  original.assign(image.begin(), image.end());
  const auto mirror = [](int i, int count) { return i < 0 ? -i : i >= count ? 2 * (count - 1) - i : i; };
  float* out = image.data();
  for (int y = 0; y < height; ++y) {
    int from_y = y + dy;
    if (fill == padding::reflect) from_y = mirror(from_y, height);
    if (from_y < 0 || from_y >= height) {
      out = std::fill_n(out, std::ptrdiff_t{width} * channels, 0.0f);
      continue;
    }
    const float* row = original.data() + std::ptrdiff_t{from_y} * width * channels;
    const int left = std::clamp(-dx, 0, width), right = std::clamp(width - dx, 0, width);  // [left, right) is inside
    for (int x = 0; x < left; ++x)
      for (int c = 0; c < channels; ++c)
        *out++ = fill == padding::zero ? 0.0f : row[mirror(x + dx, width) * channels + c];
    if (right > left) out = std::copy_n(row + (left + dx) * channels, (right - left) * channels, out);
    for (int x = std::max(left, right); x < width; ++x)
      for (int c = 0; c < channels; ++c)
        *out++ = fill == padding::zero ? 0.0f : row[mirror(x + dx, width) * channels + c];
  }
}

ADVPROP_API bool horizontal_flip::flips(random_stream& rng) const {
  if (!(probability >= 0 && probability <= 1))
    fail<argument_error>("horizontal_flip: probability ", probability, " is outside [0, 1]");
  return rng.uniform() < probability;
}

ADVPROP_API void horizontal_flip::operator()(single_image image, random_stream& rng) const {
  if (!flips(rng)) return;
  const int width = image.extent(1), channels = image.extent(2);
  for (int y = 0; y < image.extent(0); ++y) {
    float* row = image.data() + y * image.stride();
    for (int x = 0; x < width / 2; ++x)
      std::swap_ranges(row + x * channels, row + (x + 1) * channels, row + (width - 1 - x) * channels);
  }
}

ADVPROP_API void cutout::operator()(single_image image, random_stream& rng) const {
  const int height = image.extent(0), width = image.extent(1), channels = image.extent(2);
  if (size < 0) fail<argument_error>("cutout: size ", size, "; must be 0 or more");
  if (fill.size() != 1 && fill.size() != static_cast<std::size_t>(channels))
    fail<argument_error>("cutout: ", fill.size(), " fill values for ", channels, " channels; must be 1 or ", channels);
  const int top = rng.below(height) - size / 2, left = rng.below(width) - size / 2;
  for (int y = std::max(top, 0); y < std::min(top + size, height); ++y)
    for (int x = std::max(left, 0); x < std::min(left + size, width); ++x)
      for (int c = 0; c < channels; ++c) image(y, x, c) = fill[fill.size() == 1 ? 0 : static_cast<std::size_t>(c)];
}

}  // namespace advprop
