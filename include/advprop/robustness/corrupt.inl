// The definitions of corrupt.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/parallel.hpp>
#include <advprop/robustness/corrupt.hpp>
#include <advprop/robustness/digital.hpp>
#include <advprop/robustness/elastic.hpp>
#include <advprop/robustness/noise.hpp>

namespace advprop::robustness::detail {

ADVPROP_API void check_corruption(corruption kind, int severity, const corruption_options& options) {
  check_severity(kind, severity);
  if (kind == corruption::frost && !options.frost)
    fail<argument_error>("frost: corruption_options::frost is not set: it needs a frost_pictures");
}

inline bool is_noise(corruption kind) {
  return kind == corruption::gaussian_noise || kind == corruption::shot_noise || kind == corruption::impulse_noise ||
         kind == corruption::speckle_noise;
}

inline byte_image rgb_of(const byte_image& grey) {
  byte_image rgb = byte_image::of(grey.height, grey.width);
  for (std::size_t i = 0; i < grey.pixels.size(); ++i) std::fill_n(&rgb.pixels[3 * i], 3, grey.pixels[i]);
  return rgb;
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API byte_image corrupt(const byte_image& image, corruption kind, int severity, random_stream& rng,
                               const corruption_options& options) {
  detail::check_corruption(kind, severity, options);
  if (image.channels == 1 && !detail::is_noise(kind))
    return grey_of(corrupt(detail::rgb_of(image), kind, severity, rng, options));
  const auto strength = [&](const auto& table) { return table.at(options.scale, severity); };
  switch (kind) {
    case corruption::gaussian_noise:
      return gaussian_noise(image, strength(strengths::gaussian_noise), rng);
    case corruption::shot_noise:
      return shot_noise(image, strength(strengths::shot_noise), rng);
    case corruption::impulse_noise:
      return impulse_noise(image, strength(strengths::impulse_noise), rng);
    case corruption::defocus_blur:
      return defocus_blur(image, strength(strengths::defocus_blur));
    case corruption::glass_blur:
      return glass_blur(image, strength(strengths::glass_blur), rng);
    case corruption::motion_blur:
      return motion_blur(image, strength(strengths::motion_blur), rng);
    case corruption::zoom_blur:
      return zoom_blur(image, strength(strengths::zoom_blur));
    case corruption::snow:
      return snow(image, strength(strengths::snow), rng);
    case corruption::frost:
      return frost(image, strength(strengths::frost), *options.frost, options.scale, rng);
    case corruption::fog:
      return fog(image, strength(strengths::fog), rng);
    case corruption::brightness:
      return brightness(image, strength(strengths::brightness));
    case corruption::contrast:
      return contrast(image, strength(strengths::contrast));
    case corruption::elastic_transform:
      return elastic_transform(image, strength(strengths::elastic_transform), rng);
    case corruption::pixelate:
      return pixelate(image, strength(strengths::pixelate));
    case corruption::jpeg_compression:
      return jpeg_compression(image, strength(strengths::jpeg_compression));
    case corruption::speckle_noise:
      return speckle_noise(image, strength(strengths::speckle_noise), rng);
    case corruption::gaussian_blur:
      return gaussian_blur(image, strength(strengths::gaussian_blur));
    case corruption::spatter:
      return spatter(image, strength(strengths::spatter), rng);
    case corruption::saturate:
      return saturate(image, strength(strengths::saturate).factor, strength(strengths::saturate).offset);
  }
  fail<argument_error>("corrupt: no such corruption: ", static_cast<int>(kind));
}

ADVPROP_API random_stream corruption_stream(seed s, corruption kind, int severity, std::size_t index) {
  return random_stream(s.value)
      .split(static_cast<std::uint64_t>(kind) * 8 + static_cast<std::uint64_t>(severity))
      .split(index);
}

ADVPROP_API std::vector<byte_image> corrupt(std::span<const byte_image> images, corruption kind, int severity, seed s,
                                            int threads, const corruption_options& options, std::size_t first) {
  detail::check_corruption(kind, severity, options);
  std::vector<byte_image> result(images.size());
  // Where memory does not suffice, or an image is too large for JPEG, it throws.
  rethrow_first(parallel_try(threads, std::ssize(images), [&](std::ptrdiff_t i) {
    const auto at = static_cast<std::size_t>(i);
    random_stream rng = corruption_stream(s, kind, severity, first + at);
    result[at] = corrupt(images[at], kind, severity, rng, options);
  }));
  return result;
}

}  // namespace advprop::robustness
