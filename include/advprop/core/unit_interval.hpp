// Images are in [0, 1].
#pragma once

#include <algorithm>

#include <advprop/core/error.hpp>
#include <advprop/core/shape.hpp>

namespace advprop {

/// Throws `argument_error` beginning with `who` for a value outside [0, 1]: a network would learn from images of 0 to
/// 255, and an attack would clip them to noise.
inline void check_unit_interval(const char* who, const_image_view images) {
  const float* bad = std::find_if(images.begin(), images.end(), [](float v) { return !(v >= 0 && v <= 1); });
  if (bad != images.end())
    fail<argument_error>(who, ": value ", *bad, " in image ", (bad - images.begin()) / images.stride(),
                         " of the batch is outside [0, 1]");
}

/// The same, for images that do not lie in the device's memory; those of a dry run have no numbers.
template <class Device>
void check_host_images(const char* who, Device& d, const_image_view images) {
  if constexpr (requires { d.dry(); })
    if (d.dry()) return;
  if (!d.memory().owns(images.data())) check_unit_interval(who, images);
}

}  // namespace advprop
