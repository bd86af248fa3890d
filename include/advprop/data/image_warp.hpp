// Rotation, shear and translation of 8-bit images: torchvision's, on PIL images, bit for bit.
#pragma once

#include <array>
#include <cstdint>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/image_tables.hpp>

namespace advprop {

/// How a pixel between pixels is read.
enum class interpolation { nearest, bilinear };

/// How an image is moved: interpolation, and what stands where the image was not. Grey images take the first number.
struct warp {
  interpolation filter = interpolation::nearest;
  std::array<std::uint8_t, 3> fill = {0, 0, 0};
};

namespace image_ops {

/// Counter-clockwise, around the centre; the size stays. Throws `argument_error` for an angle that is not finite.
ADVPROP_API void rotate(byte_image& image, double degrees, const warp& how = {});

/// Row y moves by slope * y to the left: AutoAugment's ShearX, which keeps the top left corner.
ADVPROP_API void shear_x(byte_image& image, double slope, const warp& how = {});

/// Column x moves by slope * x up.
ADVPROP_API void shear_y(byte_image& image, double slope, const warp& how = {});

/// Whole pixels to the right.
ADVPROP_API void translate_x(byte_image& image, int pixels, const warp& how = {});

/// Whole pixels down.
ADVPROP_API void translate_y(byte_image& image, int pixels, const warp& how = {});

}  // namespace image_ops
}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/image_warp.inl>
#endif
