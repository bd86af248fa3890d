// What a batch norm's forward and backward read besides feature maps.
#pragma once

namespace advprop {

/// One number per channel each (device memory). `variance` is the biased one; `epsilon` is added to it.
struct norm_parameters {
  const float *mean = nullptr, *variance = nullptr, *scale = nullptr, *shift = nullptr;
  float epsilon = 1e-5f;
};

}  // namespace advprop
