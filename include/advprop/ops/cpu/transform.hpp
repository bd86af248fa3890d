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

/// x[i] = f(x[i], a[i], i's row, its column, numbers + those of the images and channels before): `numbers` is images x
/// 1 x channels x as many as f reads.
template <class F>
void transform_pixels(cpu& d, image_view x, const_image_view a, const_image_view numbers, F f) {
  if (d.dry()) return work::note(d, work::transform(x, 1));
  parallel_for(d.threads(), x.extent(0), [&](std::ptrdiff_t n) {
    float* px = x.data() + n * x.stride();
    const float* pa = a.data() + n * a.stride();
    for (int row = 0; row < x.extent(1); ++row)
      for (int column = 0; column < x.extent(2); ++column) {
        const float* own = numbers.data() + n * numbers.stride();
        for (int c = 0; c < x.extent(3); ++c, ++px, ++pa, own += numbers.extent(3)) *px = f(*px, *pa, row, column, own);
      }
  });
}

/// sums = for each image and channel, F::sums numbers, to which f(x[i], row, column, numbers, sums) adds pixel by
/// pixel.
template <class F>
void sum_pixels(cpu& d, const_image_view x, const_image_view numbers, image_view sums, F f) {
  if (d.dry()) return work::note(d, work::transform(x, 0));
  const int channels = x.extent(3);
  parallel_for(d.threads(), std::ptrdiff_t{x.extent(0)} * channels, [&](std::ptrdiff_t plane) {
    const float* px = x.data() + plane / channels * x.stride() + plane % channels;
    double total[F::sums] = {};
    for (int row = 0; row < x.extent(1); ++row) {
      float part[F::sums] = {};
      for (int column = 0; column < x.extent(2); ++column, px += channels)
        f(*px, row, column, numbers.data() + plane * numbers.extent(3), part);
      for (int k = 0; k < F::sums; ++k) total[k] += double(part[k]);
    }
    for (int k = 0; k < F::sums; ++k) sums.data()[plane * F::sums + k] = static_cast<float>(total[k]);
  });
}

}  // namespace advprop
