// The operations of AutoAugment and RandAugment, their magnitudes, and how one is applied.
#pragma once

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/image_color.hpp>
#include <advprop/data/image_tables.hpp>
#include <advprop/data/image_warp.hpp>

namespace advprop {

/// In torchvision's order, which RandAugment draws from; `invert` is AutoAugment's alone.
enum class augment_op {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  autocontrast,
  equalize,
  invert
};

/// Whether a magnitude may be negative: the sign is drawn.
constexpr bool has_sign(augment_op op) { return op >= augment_op::shear_x && op <= augment_op::sharpness; }

/// torchvision's magnitude number `level` of `bins` from weakest to strongest: a slope, pixels of an image of this
/// size, degrees, a factor's distance from 1, bits kept, or a threshold; 0 for operations without. Throws
/// `argument_error` for a level outside 0 .. bins-1 and for fewer than 2 bins.
ADVPROP_API float augment_magnitude(augment_op op, int level, int bins, int height, int width);

/// One operation with a magnitude as above, or its negative where `has_sign`.
ADVPROP_API void apply_augment(byte_image& image, augment_op op, float magnitude, const warp& how = {});

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/augment_op.inl>
#endif
