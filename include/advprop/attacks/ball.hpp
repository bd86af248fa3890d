// The L2 ball around each image of a batch.
#pragma once

#include <advprop/attacks/device_images.hpp>
#include <advprop/attacks/loops.hpp>

namespace advprop::attack::detail {

/// Into the L2 ball of radius e around `original`, then into [0,1].
template <class Device>
void shrink_to_ball(device_images<Device>& images, const device_images<Device>& original, float e) {
  transform(images, original, loops::difference());
  image_numbers<Device> norms(*images.device, images.extent(0));
  image_norms(*images.device, images, norms.data());
  transform(images, original, norms, loops::shrink{e});
}

}  // namespace advprop::attack::detail
