// Convolution as im2col and Eigen's matrix product: gathers the pixels under each tap, and multiplies.
#pragma once

#include <algorithm>
#include <cstddef>

#include <advprop/core/parallel.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu/conv_gemm.hpp>
#include <advprop/ops/cpu/eigen.hpp>

namespace advprop {
namespace detail {

/// Channels [first, first + count) of image n as a dense matrix, one row per channel.
inline void gather_channels(feature_view<const float> x, int n, int first, int count, float* out) {
  const std::ptrdiff_t pixels = std::ptrdiff_t{x.height} * x.width;
  for (int c = first; c < first + count; ++c) {
    const float* in = channel_block(x, n, c / cpu::channel_block) + c % cpu::channel_block;
    for (std::ptrdiff_t p = 0; p < pixels; ++p) *out++ = in[p * cpu::channel_block];
  }
}

inline void scatter_channels(const float* in, int n, int first, int count, feature_view<float> y) {
  const std::ptrdiff_t pixels = std::ptrdiff_t{y.height} * y.width;
  for (int c = first; c < first + count; ++c) {
    float* out = channel_block(y, n, c / cpu::channel_block) + c % cpu::channel_block;
    for (std::ptrdiff_t p = 0; p < pixels; ++p) out[p * cpu::channel_block] = *in++;
  }
}

inline void clear_padding_lanes(int n, feature_view<float> y) {
  const std::ptrdiff_t pixels = std::ptrdiff_t{y.height} * y.width;
  const int used = y.channels % cpu::channel_block;
  if (used == 0) return;
  float* out = channel_block(y, n, channel_blocks(y) - 1);
  for (std::ptrdiff_t p = 0; p < pixels; ++p)
    std::fill(out + p * cpu::channel_block + used, out + (p + 1) * cpu::channel_block, 0.0f);
}

/// Calls f(output pixel, input pixel) for every output pixel whose input pixel at this tap lies inside the image.
template <class F>
void for_tap(const conv_spec& s, int height, int width, int ky, int kx, F&& f) {
  const int oh = s.output(height), ow = s.output(width);
  const int y0 = ky - s.before(height), x0 = kx - s.before(width);
  for (int oy = 0; oy < oh; ++oy) {
    const int iy = oy * s.stride + y0;
    if (iy < 0 || iy >= height) continue;
    for (int ox = 0; ox < ow; ++ox) {
      const int ix = ox * s.stride + x0;
      if (ix >= 0 && ix < width) f(std::ptrdiff_t{oy} * ow + ox, std::ptrdiff_t{iy} * width + ix);
    }
  }
}

/// One row for each (channel of the group, tap), one column for each output pixel.
inline void im2col(const conv_spec& s, feature_view<const float> x, int n, int group, float* out) {
  const std::ptrdiff_t pixels = std::ptrdiff_t{s.output(x.height)} * s.output(x.width);
  const int count = s.in / s.groups;
  for (int c = group * count; c < (group + 1) * count; ++c) {
    const float* in = channel_block(x, n, c / cpu::channel_block) + c % cpu::channel_block;
    for (int ky = 0; ky < s.kernel; ++ky)
      for (int kx = 0; kx < s.kernel; ++kx, out += pixels) {
        std::fill(out, out + pixels, 0.0f);
        for_tap(s, x.height, x.width, ky, kx,
                [&](std::ptrdiff_t p, std::ptrdiff_t q) { out[p] = in[q * cpu::channel_block]; });
      }
  }
}

/// c += a * b, row-major: rows x depth times depth x columns. The one product here, so that Eigen compiles once.
[[gnu::noinline]] inline void add_product(const float* a, const float* b, float* c, std::ptrdiff_t rows,
                                          std::ptrdiff_t depth, std::ptrdiff_t columns) {
  gemm_matrix(c, rows, columns).noalias() += gemm_operand(a, rows, depth) * gemm_operand(b, depth, columns);
}

/// to (columns x rows) = from (rows x columns), transposed.
inline void transpose(const float* from, std::ptrdiff_t rows, std::ptrdiff_t columns, float* to) {
  for (std::ptrdiff_t r = 0; r < rows; ++r)
    for (std::ptrdiff_t c = 0; c < columns; ++c) to[c * rows + r] = *from++;
}

struct gemm_sizes {
  std::ptrdiff_t rows, depth, pixels;  // outputs a group, taps x inputs a group, output pixels
  gemm_sizes(const conv_spec& s, int height, int width)
      : rows(s.out / s.groups),
        depth(std::ptrdiff_t{s.in / s.groups} * s.kernel * s.kernel),
        pixels(std::ptrdiff_t{s.output(height)} * s.output(width)) {}
};

}  // namespace detail

ADVPROP_API void conv_gemm_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                   feature_view<float> y) {
  using namespace detail;
  const gemm_sizes z(s, x.height, x.width);
  const std::ptrdiff_t scratch = (z.depth + z.rows) * z.pixels, workers = std::min(d.threads(), x.batch);
  const auto memory = d.memory().allocate(sizeof(float) * static_cast<std::size_t>(scratch * workers));
  if (d.dry()) return;
  const single_thread_eigen guard;
  parallel_ranges(d.threads(), workers, x.batch, [&](std::ptrdiff_t worker, std::ptrdiff_t n, std::ptrdiff_t last) {
    float* columns = static_cast<float*>(memory.data()) + worker * scratch;
    float* out = columns + z.depth * z.pixels;
    for (; n < last; ++n) {
      const int image = static_cast<int>(n);
      clear_padding_lanes(image, y);
      for (int g = 0; g < s.groups; ++g) {
        im2col(s, x, image, g, columns);
        std::fill(out, out + z.rows * z.pixels, 0.0f);
        add_product(w + g * z.rows * z.depth, columns, out, z.rows, z.depth, z.pixels);
        scatter_channels(out, image, static_cast<int>(g * z.rows), static_cast<int>(z.rows), y);
      }
    }
  });
}

ADVPROP_API void conv_gemm_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                          feature_view<float> dx) {
  using namespace detail;
  const gemm_sizes z(s, dx.height, dx.width);
  const int inputs = s.in / s.groups;
  const std::ptrdiff_t area = std::ptrdiff_t{dx.height} * dx.width;
  const std::ptrdiff_t scratch = (z.depth + z.rows) * z.pixels + inputs * area,
                       workers = std::min(d.threads(), dx.batch), weights = s.groups * z.rows * z.depth;
  const auto memory = d.memory().allocate(sizeof(float) * static_cast<std::size_t>(scratch * workers + weights));
  if (d.dry()) return;
  float* turned = static_cast<float*>(memory.data()) + scratch * workers;  // each group's weights, transposed
  for (int g = 0; g < s.groups; ++g)
    transpose(w + g * z.rows * z.depth, z.rows, z.depth, turned + g * z.rows * z.depth);
  const single_thread_eigen guard;
  parallel_ranges(d.threads(), workers, dx.batch, [&](std::ptrdiff_t worker, std::ptrdiff_t n, std::ptrdiff_t last) {
    float* columns = static_cast<float*>(memory.data()) + worker * scratch;
    float* gradient = columns + z.depth * z.pixels;
    float* image_gradient = gradient + z.rows * z.pixels;
    for (; n < last; ++n) {
      const int image = static_cast<int>(n);
      clear_padding_lanes(image, dx);
      for (int g = 0; g < s.groups; ++g) {
        gather_channels(dy, image, static_cast<int>(g * z.rows), static_cast<int>(z.rows), gradient);
        std::fill(columns, columns + z.depth * z.pixels, 0.0f);
        add_product(turned + g * z.rows * z.depth, gradient, columns, z.depth, z.rows, z.pixels);
        std::fill(image_gradient, image_gradient + inputs * area, 0.0f);
        const float* column = columns;
        for (int c = 0; c < inputs; ++c)
          for (int ky = 0; ky < s.kernel; ++ky)
            for (int kx = 0; kx < s.kernel; ++kx, column += z.pixels)
              for_tap(s, dx.height, dx.width, ky, kx,
                      [&](std::ptrdiff_t p, std::ptrdiff_t q) { image_gradient[c * area + q] += column[p]; });
        scatter_channels(image_gradient, image, g * inputs, inputs, dx);
      }
    }
  });
}

ADVPROP_API void conv_gemm_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                           feature_view<const float> dy, float* dw) {
  using namespace detail;
  const gemm_sizes z(s, x.height, x.width);
  const std::ptrdiff_t weights = s.groups * z.rows * z.depth;
  // A fixed number of partial sums, whatever the number of threads: 16 MiB of them or less, but two where possible.
  const std::ptrdiff_t parts =
      std::min<std::ptrdiff_t>(x.batch, std::clamp<std::ptrdiff_t>((std::ptrdiff_t{1} << 22) / weights, 2, 16));
  const std::ptrdiff_t scratch = (z.depth + 2 * z.rows) * z.pixels,
                       workers = std::min<std::ptrdiff_t>(d.threads(), parts);
  const auto memory =
      d.memory().allocate(sizeof(float) * static_cast<std::size_t>(scratch * workers + weights * parts));
  if (d.dry()) return;
  float* partial = static_cast<float*>(memory.data()) + scratch * workers;
  const single_thread_eigen guard;
  parallel_ranges(d.threads(), workers, parts, [&](std::ptrdiff_t worker, std::ptrdiff_t part, std::ptrdiff_t last) {
    float* columns = static_cast<float*>(memory.data()) + worker * scratch;
    float* gradient = columns + z.depth * z.pixels;
    float* turned = gradient + z.rows * z.pixels;
    for (; part < last; ++part) {
      float* sum = partial + part * weights;
      std::fill(sum, sum + weights, 0.0f);
      for (std::ptrdiff_t n = x.batch * part / parts; n < x.batch * (part + 1) / parts; ++n)
        for (int g = 0; g < s.groups; ++g) {
          im2col(s, x, static_cast<int>(n), g, columns);
          gather_channels(dy, static_cast<int>(n), static_cast<int>(g * z.rows), static_cast<int>(z.rows), gradient);
          transpose(gradient, z.rows, z.pixels, turned);
          add_product(columns, turned, sum + g * z.rows * z.depth, z.depth, z.pixels, z.rows);  // depth x rows
        }
    }
  });
  parallel_ranges(d.threads(), d.threads(), weights, [&](std::ptrdiff_t, std::ptrdiff_t first, std::ptrdiff_t last) {
    for (std::ptrdiff_t i = first; i < last; ++i) {
      const std::ptrdiff_t size = z.rows * z.depth, within = i % size;  // of the group's weights, rows x depth
      const std::ptrdiff_t from = i - within + within % z.depth * z.rows + within / z.depth;
      float sum = 0;
      for (std::ptrdiff_t part = 0; part < parts; ++part) sum += partial[part * weights + from];
      dw[i] += sum;
    }
  });
}

}  // namespace advprop
