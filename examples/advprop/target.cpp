// The library's attacks for evaluation, compiled once for all models on a device.
#include "target.hpp"

#include <advprop/ops/cpu.hpp>
#ifdef ADVPROP_HAS_CUDA
#include <advprop/ops/cuda.hpp>
#endif

namespace advprop::program {

template <class Device>
tensor<float, 2> device_target<Device>::logits_of(const_image_view images) {
  image_buffer<Device> there(device(), images.extents());
  copy_images(device(), images, there);
  tensor<float, 2> z({images.extent(0), this->classes()});
  logits(there, z);
  return z;
}

template <class Device>
robustness::ensemble_result device_target<Device>::attacked(const image_source& data,
                                                            const robustness::ensemble_options& how) {
  return robustness::attack_ensemble(*this, data, how);
}

template class device_target<cpu>;
#ifdef ADVPROP_HAS_CUDA
template class device_target<cuda>;
template class device_target<cuda_bfloat16>;
#endif

}  // namespace advprop::program
