// Resizing with anti-aliasing, with Pillow's filters and Pillow's bits.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>

namespace advprop {

/// Pillow's filters. Bicubic has a = -0.5, Lanczos three lobes. When an image shrinks, they widen by the factor.
enum class resampling { box, bilinear, bicubic, lanczos };

/// A part of an image, in pixels from the top left corner, with fractions: [left, right) x [top, bottom).
struct pixel_box {
  float left = 0, top = 0, right = 0, bottom = 0;
};

namespace detail {

/// Resizes `box` of the `height` x `width` pixels that begin at `in`, in rows `stride` bytes apart.
ADVPROP_API byte_image resized(const std::uint8_t* in, int height, int width, int channels, std::size_t stride,
                               const pixel_box& box, int new_height, int new_width, resampling f);

ADVPROP_API void check_size(const char* who, int height, int width);

/// How torchvision shortens a side: ties to the even number.
inline int round_even(double v) { return static_cast<int>(std::nearbyint(v)); }

}  // namespace detail

/// The part `box` of an image as height x width pixels: `Image.resize((width, height), filter, box)` of Pillow. Pixels
/// around the box count where the filter reaches them. Throws `argument_error` for an empty size, and for a box that is
/// empty or not inside.
ADVPROP_API byte_image resize(const byte_image& image, const pixel_box& box, int height, int width,
                              resampling filter = resampling::bicubic);

/// The whole image as height x width pixels.
ADVPROP_API byte_image resize(const byte_image& image, int height, int width, resampling filter = resampling::bicubic);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/resize.inl>
#endif
