// Loops over images with a function of the user's, which is compiled for what the compiler's command line allows.
#pragma once

#include <algorithm>
#include <cstddef>

#include <advprop/core/shape.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu/loops.hpp>
#include <advprop/ops/cpu/work.hpp>

namespace advprop {

/// x[i] = f(x[i], g[i]); x and g may be the same memory.
template <class F>
void transform(cpu& d, image_view x, const_image_view g, F f) {
  if (d.dry()) return work::note(d, work::transform(x, 1));
  detail::for_chunks(d, x.size(), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    float* px = x.data() + first;
    const float* pg = g.data() + first;
    detail::for_each_index(count, [=](std::ptrdiff_t i) { px[i] = f(px[i], pg[i]); });
  });
}

/// x[i] = f(x[i], a[i], b[i])
template <class F>
void transform(cpu& d, image_view x, const_image_view a, const_image_view b, F f) {
  if (d.dry()) return work::note(d, work::transform(x, 2));
  detail::for_chunks(d, x.size(), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    float* px = x.data() + first;
    const float *pa = a.data() + first, *pb = b.data() + first;
    detail::for_each_index(count, [=](std::ptrdiff_t i) { px[i] = f(px[i], pa[i], pb[i]); });
  });
}

/// x[i] = f(x[i], a[i], numbers[the image of i])
template <class F>
void transform_images(cpu& d, image_view x, const_image_view a, const float* numbers, F f) {
  if (d.dry()) return work::note(d, work::transform(x, 1));
  const std::ptrdiff_t stride = x.stride();
  detail::for_chunks(d, x.size(), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    for (const std::ptrdiff_t end = first + count; first < end; first += count) {  // an image, or what is left of it
      const std::ptrdiff_t n = first / stride;
      count = std::min(end, (n + 1) * stride) - first;
      float* px = x.data() + first;
      const float* pa = a.data() + first;
      const float number = numbers[n];
      detail::for_each_index(count, [=](std::ptrdiff_t i) { px[i] = f(px[i], pa[i], number); });
    }
  });
}

}  // namespace advprop
