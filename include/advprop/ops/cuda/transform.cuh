// Loops over images with a function of the user's, which is compiled with the file that calls them.
#pragma once

#include <advprop/ops/cuda.hpp>
#include <advprop/ops/cuda/loops.cuh>

namespace advprop::detail {

template <class F>
void transform_numbers(cuda_device& d, image_view x, const_image_view g, F f) {
  ADVPROP_NOTE(transform(x, 1));
  float* px = x.data();
  const float* pg = g.data();
  each(d, x.size(), [=] ADVPROP_HD(std::ptrdiff_t i) { px[i] = f(px[i], pg[i]); });
}

template <class F>
void transform_numbers(cuda_device& d, image_view x, const_image_view a, const_image_view b, F f) {
  ADVPROP_NOTE(transform(x, 2));
  float* px = x.data();
  const float *pa = a.data(), *pb = b.data();
  each(d, x.size(), [=] ADVPROP_HD(std::ptrdiff_t i) { px[i] = f(px[i], pa[i], pb[i]); });
}

template <class F>
void transform_numbers(cuda_device& d, image_view x, const_image_view a, const float* numbers, F f) {
  ADVPROP_NOTE(transform(x, 1));
  float* px = x.data();
  const float* pa = a.data();
  const std::ptrdiff_t stride = x.stride();
  each(d, x.size(), [=] ADVPROP_HD(std::ptrdiff_t i) { px[i] = f(px[i], pa[i], numbers[i / stride]); });
}

}  // namespace advprop::detail
