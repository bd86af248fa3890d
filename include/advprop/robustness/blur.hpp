// Blur corruptions: defocus_blur, gaussian_blur, glass_blur, motion_blur, zoom_blur.
#pragma once

#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/robustness/filters.hpp>
#include <advprop/robustness/float_image.hpp>
#include <advprop/robustness/severity_table.hpp>

namespace advprop::robustness {

inline byte_image gaussian_blur(const byte_image& image, double sigma) {
  float_image x(image);
  gaussian_filter(x, sigma);
  return to_bytes(x);
}

ADVPROP_API byte_image defocus_blur(const byte_image& image, const disk_strength& s);

/// Pixels take the place of others near them, between two Gaussian blurs. (The script's exchange of two pixels copies
/// one over the other, as NumPy's views do.)
ADVPROP_API byte_image glass_blur(const byte_image& image, const glass_strength& s, random_stream& rng);

/// Along a direction drawn from -45 to 45 degrees.
ADVPROP_API byte_image motion_blur(const byte_image& image, const motion_strength& s, random_stream& rng);

/// The mean of the image and of all its enlargements.
ADVPROP_API byte_image zoom_blur(const byte_image& image, const zoom_strength& s);

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/blur.inl>
#endif
