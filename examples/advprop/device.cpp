#include "device.hpp"

#include <advprop/core/error.hpp>

#include "choices.hpp"

namespace advprop::program {

any_device device_of(const settings& s) {
  if (s.device == "cpu") {
    auto d = std::make_unique<cpu>(s.threads);
    d->convolutions(convolutions_of(s));
    return any_device(std::move(d));
  }
#ifdef ADVPROP_HAS_CUDA
  if (s.device == "cuda") return any_device(std::make_unique<cuda>());
  if (s.device == "cuda-tf32") return any_device(std::make_unique<cuda>(0, float32_products::tf32));
  return any_device(std::make_unique<cuda_bfloat16>());
#else
  fail<argument_error>("--device is ", s.device, ", but this program was built without CUDA: configure it with ",
                       "-D ADVPROP_CUDA=ON");
#endif
}

void require_cpu(const settings& s, const char* what) {
  if (s.device != "cpu") fail<argument_error>("--device is ", s.device, ", but ", what, " runs on the CPU only");
}

}  // namespace advprop::program
