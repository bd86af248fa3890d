// The definitions of augment_op.hpp (core/linkage.hpp).
#pragma once

#include <cmath>

#include <advprop/core/error.hpp>
#include <advprop/data/augment_op.hpp>

namespace advprop {

ADVPROP_API float augment_magnitude(augment_op op, int level, int bins, int height, int width) {
  if (bins < 2) fail<argument_error>("augment_magnitude: ", bins, " bins; must be 2 or more");
  if (level < 0 || level >= bins)
    fail<argument_error>("augment_magnitude: level ", level, " is outside 0 .. ", bins - 1);
  const auto linspace = [=](double first, double last) {  // torch.linspace, which counts from both ends
    const auto low = static_cast<float>(first), high = static_cast<float>(last);
    const double step = static_cast<double>((high - low) / static_cast<float>(bins - 1));
    const int from_end = bins - 1 - level;  // products as in `blended`: rounded to float, never fused
    return level < bins / 2 ? low + static_cast<float>(step * level) : high - static_cast<float>(step * from_end);
  };
  switch (op) {
    case augment_op::shear_x:
    case augment_op::shear_y:
      return linspace(0.0, 0.3);
    case augment_op::translate_x:
      return linspace(0.0, 150.0 / 331.0 * width);
    case augment_op::translate_y:
      return linspace(0.0, 150.0 / 331.0 * height);
    case augment_op::rotate:
      return linspace(0.0, 30.0);
    case augment_op::brightness:
    case augment_op::color:
    case augment_op::contrast:
    case augment_op::sharpness:
      return linspace(0.0, 0.9);
    case augment_op::posterize:
      return 8.0f - std::nearbyint(static_cast<float>(level) / (static_cast<float>(bins - 1) / 4.0f));
    case augment_op::solarize:
      return linspace(255.0, 0.0);
    default:
      return 0.0f;
  }
}

ADVPROP_API void apply_augment(byte_image& image, augment_op op, float magnitude, const warp& how) {
  const auto factor = static_cast<float>(1.0 + static_cast<double>(magnitude));
  switch (op) {
    case augment_op::identity:
      return;
    case augment_op::shear_x:
      return image_ops::shear_x(image, static_cast<double>(magnitude), how);
    case augment_op::shear_y:
      return image_ops::shear_y(image, static_cast<double>(magnitude), how);
    case augment_op::translate_x:
      return image_ops::translate_x(image, static_cast<int>(magnitude), how);
    case augment_op::translate_y:
      return image_ops::translate_y(image, static_cast<int>(magnitude), how);
    case augment_op::rotate:
      return image_ops::rotate(image, static_cast<double>(magnitude), how);
    case augment_op::brightness:
      return image_ops::brightness(image, factor);
    case augment_op::color:
      return image_ops::color(image, factor);
    case augment_op::contrast:
      return image_ops::contrast(image, factor);
    case augment_op::sharpness:
      return image_ops::sharpness(image, factor);
    case augment_op::posterize:
      return image_ops::posterize(image, static_cast<int>(magnitude));
    case augment_op::solarize:
      return image_ops::solarize(image, magnitude);
    case augment_op::autocontrast:
      return image_ops::autocontrast(image);
    case augment_op::equalize:
      return image_ops::equalize(image);
    case augment_op::invert:
      return image_ops::invert(image);
  }
}

}  // namespace advprop
