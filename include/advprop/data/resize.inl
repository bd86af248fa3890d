// The definitions of resize.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/data/resize.hpp>

namespace advprop::detail {

inline double filter_support(resampling f) {
  constexpr double support[] = {0.5, 1, 2, 3};
  return support[static_cast<int>(f)];
}

inline double filter_value(resampling f, double x) {
  const auto sinc = [](double t) { return t == 0 ? 1.0 : std::sin(t * std::numbers::pi) / (t * std::numbers::pi); };
  const double a = -0.5, d = std::fabs(x);
  switch (f) {
    case resampling::box:
      return x > -0.5 && x <= 0.5 ? 1 : 0;
    case resampling::bilinear:
      return d < 1 ? 1 - d : 0;
    case resampling::bicubic:
      return d < 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    case resampling::lanczos:
      return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
  }
  return 0;
}

/// For each output position, which inputs it sums and their weights, in fixed point.
struct resize_weights {
  static constexpr int precision = 32 - 8 - 2;  // bits: of a sum, 8 are the pixel's, and 2 for what overshoots

  std::vector<int> first, count;  // one an output
  std::vector<std::int32_t> weights;
  int stride = 0;  // weights kept an output; those past the count are not used

  /// Maps [from, to) of `in` pixels to `out` pixels.
  void fill(int in, float from, float to, int out, resampling f) {
    const double scale = static_cast<double>(to - from) / out, widening = std::max(scale, 1.0);
    const double support = filter_support(f) * widening, shrink = 1 / widening;
    stride = static_cast<int>(std::ceil(support)) * 2 + 1;
    const auto n = static_cast<std::size_t>(out);
    first.resize(n);
    count.resize(n);
    weights.resize(n * static_cast<std::size_t>(stride));
    values_.resize(static_cast<std::size_t>(stride));
    for (int i = 0; i < out; ++i) {
      const double centre = static_cast<double>(from) + (i + 0.5) * scale;
      const int begin = std::max(static_cast<int>(centre - support + 0.5), 0);
      const int size = std::min(static_cast<int>(centre + support + 0.5), in) - begin;
      double sum = 0;
      for (int k = 0; k < size; ++k) {
        const double w = filter_value(f, (k + begin - centre + 0.5) * shrink);
        values_[static_cast<std::size_t>(k)] = w;
        sum += w;
      }
      std::int32_t* const out_weights = of(i);
      for (int k = 0; k < size; ++k) {
        double w = values_[static_cast<std::size_t>(k)];
        if (sum != 0) w /= sum;
        out_weights[k] = static_cast<std::int32_t>((w < 0 ? -0.5 : 0.5) + w * (1 << precision));
      }
      first[static_cast<std::size_t>(i)] = begin;
      count[static_cast<std::size_t>(i)] = size;
    }
  }
  std::int32_t* of(int i) { return weights.data() + std::ptrdiff_t{i} * stride; }

  static std::uint8_t to_byte(std::int32_t sum) {
    return static_cast<std::uint8_t>(std::clamp(sum >> precision, 0, 255));
  }
  static constexpr std::int32_t half = 1 << (precision - 1);

 private:
  std::vector<double> values_;
};

/// One row: output x is the weighted sum of inputs first[x] and following.
template <int Channels>
void resize_row(const std::uint8_t* in, resize_weights& w, std::uint8_t* out) {
  for (std::size_t x = 0; x < w.first.size(); ++x, out += Channels) {
    const std::uint8_t* at = in + w.first[x] * Channels;
    const std::int32_t* weight = w.of(static_cast<int>(x));
    std::int32_t sum[static_cast<std::size_t>(Channels)];
    std::fill_n(sum, Channels, resize_weights::half);
    for (int k = 0; k < w.count[x]; ++k, at += Channels)
      for (int c = 0; c < Channels; ++c) sum[c] += at[c] * weight[k];
    for (int c = 0; c < Channels; ++c) out[c] = resize_weights::to_byte(sum[c]);
  }
}

/// One output row: the weighted sum of `count` rows that lie `stride` bytes apart.
inline void sum_rows(const std::uint8_t* rows, std::size_t stride, const std::int32_t* weights, int count,
                     std::size_t bytes, std::uint8_t* out) {
  constexpr std::size_t lanes = 32;  // a fixed number, which compilers vectorise
  std::size_t x = 0;
  for (; x + lanes <= bytes; x += lanes) {
    std::int32_t sum[lanes];
    for (std::size_t i = 0; i < lanes; ++i) sum[i] = resize_weights::half;
    for (int k = 0; k < count; ++k) {
      const std::uint8_t* in = rows + static_cast<std::size_t>(k) * stride + x;
      for (std::size_t i = 0; i < lanes; ++i) sum[i] += in[i] * weights[k];
    }
    for (std::size_t i = 0; i < lanes; ++i) out[x + i] = resize_weights::to_byte(sum[i]);
  }
  for (; x < bytes; ++x) {
    std::int32_t sum = resize_weights::half;
    for (int k = 0; k < count; ++k) sum += rows[static_cast<std::size_t>(k) * stride + x] * weights[k];
    out[x] = resize_weights::to_byte(sum);
  }
}

ADVPROP_API byte_image resized(const std::uint8_t* in, int height, int width, int channels, std::size_t stride,
                               const pixel_box& box, int new_height, int new_width, resampling f) {
  thread_local resize_weights across, down;  // scratch: kept, so that an image costs few allocations
  thread_local byte_image between;
  byte_image result = byte_image::of(new_height, new_width, channels);
  const auto is = [](float a, int b) { return a == static_cast<float>(b); };
  const bool narrow = new_width != width || !is(box.left, 0) || !is(box.right, width);
  const bool shorten = new_height != height || !is(box.top, 0) || !is(box.bottom, height);
  if (shorten) down.fill(height, box.top, box.bottom, new_height, f);
  const int top = shorten ? down.first.front() : 0;
  const int bottom = shorten ? down.first.back() + down.count.back() : height;
  const std::uint8_t* rows = in + static_cast<std::size_t>(top) * stride;
  if (narrow) {
    across.fill(width, box.left, box.right, new_width, f);
    byte_image& out = shorten ? between : result;
    out.reshape(bottom - top, new_width, channels);
    for (int y = 0; y < out.height; ++y, rows += stride)
      channels == 1 ? resize_row<1>(rows, across, out.row(y)) : resize_row<3>(rows, across, out.row(y));
    if (!shorten) return result;
    rows = between.row(0);
    stride = between.row_bytes();
  }
  for (int y = 0; y < new_height; ++y) {
    if (!shorten) {
      std::copy_n(rows + static_cast<std::size_t>(y) * stride, result.row_bytes(), result.row(y));
      continue;
    }
    const auto i = static_cast<std::size_t>(y);
    sum_rows(rows + static_cast<std::size_t>(down.first[i] - top) * stride, stride, down.of(y), down.count[i],
             result.row_bytes(), result.row(y));
  }
  return result;
}

ADVPROP_API void check_size(const char* who, int height, int width) {
  if (height < 1 || width < 1) fail<argument_error>(who, ": a size of ", height, " x ", width, "; must be 1 or more");
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API byte_image resize(const byte_image& image, const pixel_box& box, int height, int width, resampling filter) {
  detail::check_size("resize", height, width);
  if (!(box.left >= 0 && box.top >= 0 && box.left < box.right && box.top < box.bottom &&
        box.right <= static_cast<float>(image.width) && box.bottom <= static_cast<float>(image.height)))
    fail<argument_error>("resize: the box ", box.left, ", ", box.top, ", ", box.right, ", ", box.bottom,
                         " is empty or not inside an image of ", image.height, " x ", image.width);
  return detail::resized(image.row(0), image.height, image.width, image.channels, image.row_bytes(), box, height, width,
                         filter);
}

ADVPROP_API byte_image resize(const byte_image& image, int height, int width, resampling filter) {
  return resize(image, {0, 0, static_cast<float>(image.width), static_cast<float>(image.height)}, height, width,
                filter);
}

}  // namespace advprop
