// The L2 ball around each image of a batch.
#pragma once

#include <advprop/attacks/arithmetic.hpp>
#include <advprop/attacks/device_images.hpp>
#include <advprop/core/tensor.hpp>

namespace advprop::attack::detail {

/// Into the L2 ball of radius e around `original`, then into [0,1]; the second never leaves the first, for the original
/// is in both.
template <class Device>
void shrink_to_ball(const device_images<Device>& images, const device_images<Device>& original, float e) {
  transform(images, original, [] ADVPROP_HD(float x, float x0) { return x - x0; });
  tensor<float, 1> norms({images.extent(0)});
  image_norms(*images.device, images, norms.data());
  for (int i = 0; i < images.extent(0); ++i) {
    const float s = norms(i) > e ? e / norms(i) * (1 - 1e-6f) : 1.f;  // a hair inside, against rounding
    transform(images.slice(i, 1), original.slice(i, 1),
              [=] ADVPROP_HD(float d, float x0) { return clamp(x0 + s * d, 0.f, 1.f); });
  }
}

}  // namespace advprop::attack::detail
