// Contrast, colour, sharpness and hue of 8-bit images: Pillow's ImageEnhance and HSV, bit for bit.
#pragma once

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>

namespace advprop {

/// One channel, the luma: Pillow's convert("L"). A grey image stays as it is.
ADVPROP_API byte_image grey_of(const byte_image& image);

namespace image_ops {

/// Towards a grey image of the mean luma, or away from it: torchvision's adjust_contrast.
ADVPROP_API void contrast(byte_image& image, float factor);

/// Towards the grey image, or away from it: torchvision's adjust_saturation. Grey images stay.
ADVPROP_API void color(byte_image& image, float factor);

/// Towards a smoothed image, or away from it: torchvision's adjust_sharpness. The outermost pixels stay.
ADVPROP_API void sharpness(byte_image& image, float factor);

/// Turns the hue by `turn` of a circle: torchvision's adjust_hue on a PIL image. Grey images stay. Throws
/// `argument_error` for a turn outside [-0.5, 0.5].
ADVPROP_API void hue(byte_image& image, float turn);

}  // namespace image_ops
}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/image_color.inl>
#endif
