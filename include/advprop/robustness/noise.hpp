// Noise corruptions: gaussian_noise, shot_noise, impulse_noise, speckle_noise.
#pragma once

#include <cstdint>

#include <advprop/core/distributions.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/robustness/float_image.hpp>

namespace advprop::robustness {

namespace detail {
/// Every value v in [0, 1] becomes f(v), in double: truncation sees the last bit.
template <class F>
byte_image map_values(byte_image image, F f) {
  for (std::uint8_t& v : image.pixels) v = truncated(f(v / 255.0) * 255);
  return image;
}
}  // namespace detail

inline byte_image gaussian_noise(const byte_image& image, double sigma, random_stream& rng) {
  return detail::map_values(image, [&](double v) { return v + sigma * static_cast<double>(rng.normal()); });
}

/// Poisson noise: a value of 1 is `photons` of them.
inline byte_image shot_noise(const byte_image& image, double photons, random_stream& rng) {
  return detail::map_values(image, [&](double v) { return poisson(rng, v * photons) / photons; });
}

/// Salt and pepper, in equal parts and each channel for itself, over this share of the values.
inline byte_image impulse_noise(const byte_image& image, double amount, random_stream& rng) {
  return detail::map_values(image, [&](double v) {
    const auto changed = static_cast<double>(rng.uniform());
    const bool salt = rng.next() & 1;
    return changed >= amount ? v : salt ? 1.0 : 0.0;
  });
}

/// Noise in proportion to the value.
inline byte_image speckle_noise(const byte_image& image, double sigma, random_stream& rng) {
  return detail::map_values(image, [&](double v) { return v + v * (sigma * static_cast<double>(rng.normal())); });
}

}  // namespace advprop::robustness
