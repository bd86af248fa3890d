// Loops over images with a function of the user's, which is compiled with the file that calls them.
#pragma once

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

template <class F>
void transform_pixels(cuda_device& d, image_view x, const_image_view a, const_image_view numbers, F f) {
  ADVPROP_NOTE(transform(x, 1));
  float* px = x.data();
  const float *pa = a.data(), *pn = numbers.data();
  const int width = x.extent(2), channels = x.extent(3), own = numbers.extent(3);
  const std::ptrdiff_t pixels = std::ptrdiff_t{x.extent(1)} * width;
  each(d, x.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const std::ptrdiff_t c = i % channels, n = i / channels / pixels;
    const auto at = static_cast<int>(i / channels % pixels);
    px[i] = f(px[i], pa[i], at / width, at % width, pn + (n * channels + c) * own);
  });
}

template <class F>
void sum_pixels(cuda_device& d, const_image_view x, const_image_view numbers, image_view sums, F f) {
  ADVPROP_NOTE(transform(x, 0));
  const float *px = x.data(), *pn = numbers.data();
  float* to = sums.data();
  const int width = x.extent(2), channels = x.extent(3), own = numbers.extent(3);
  const std::ptrdiff_t pixels = std::ptrdiff_t{x.extent(1)} * width;
  column_sums<F::sums>(
      d, x.extent(0), pixels, channels, nothing_to_prepare(),
      [=] ADVPROP_HD(nothing_to_prepare, int n, std::ptrdiff_t pixel, int c, float* s) {
        const std::ptrdiff_t plane = std::ptrdiff_t{n} * channels + c;
        const auto at = static_cast<int>(pixel);
        f(px[(n * pixels + pixel) * channels + c], at / width, at % width, pn + plane * own, s);
      },
      [=] ADVPROP_HD(int n, int c, const float* s) {
        for (int k = 0; k < F::sums; ++k) to[(std::ptrdiff_t{n} * channels + c) * F::sums + k] = s[k];
      });
}

}  // namespace advprop::detail
