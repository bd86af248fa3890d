// Corruptions of single pixels and of coding: brightness, contrast, saturate, pixelate, jpeg_compression.
#pragma once

#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/jpeg.hpp>
#include <advprop/data/jpeg_encoder.hpp>

namespace advprop::robustness {

/// Adds to the value of HSV.
ADVPROP_API byte_image brightness(const byte_image& image, double amount);

/// Scales and shifts the saturation of HSV.
ADVPROP_API byte_image saturate(const byte_image& image, double factor, double offset);

/// Scales the distance from each channel's mean.
ADVPROP_API byte_image contrast(byte_image image, double factor);

/// To `scale` of the size and back, both by box filter.
ADVPROP_API byte_image pixelate(const byte_image& image, double scale);

inline byte_image jpeg_compression(const byte_image& image, int quality) {
  return decode_jpeg(encode_jpeg(image, quality), "jpeg_compression");
}

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/digital.inl>
#endif
