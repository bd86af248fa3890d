// The definitions of image_warp.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/data/image_warp.hpp>

namespace advprop::detail {

/// Where the output pixel with its centre at (x, y) comes from: (a x + b y + c, d x + e y + f).
struct affine_map {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};

/// The pixel that holds the point; 16 bits of fraction, as in Pillow (which leaves them beyond 32767 pixels).
template <int Channels>
void warp_nearest(const byte_image& image, const affine_map& m, const std::uint8_t* fill, std::uint8_t* out) {
  const auto fixed = [](double v) { return static_cast<std::int64_t>(std::floor(v * 65536.0 + 0.5)); };
  const std::int64_t a = fixed(m.a), b = fixed(m.b), d = fixed(m.d), e = fixed(m.e);
  std::int64_t row_x = fixed(m.c + m.a * 0.5 + m.b * 0.5), row_y = fixed(m.f + m.d * 0.5 + m.e * 0.5);
  const auto width = static_cast<std::uint64_t>(image.width), height = static_cast<std::uint64_t>(image.height);
  for (int y = 0; y < image.height; ++y, row_x += b, row_y += e) {
    std::int64_t at_x = row_x, at_y = row_y;
    for (int x = 0; x < image.width; ++x, at_x += a, at_y += d, out += Channels) {
      const auto from_x = static_cast<std::uint64_t>(at_x >> 16), from_y = static_cast<std::uint64_t>(at_y >> 16);
      const bool inside = from_x < width && from_y < height;  // what is below 0 is a very large number here
      const std::uint8_t* from = inside ? image.pixels.data() + (from_y * width + from_x) * Channels : fill;
      for (int c = 0; c < Channels; ++c) out[c] = from[c];
    }
  }
}

/// Between the four nearest pixels, in double, truncated; beyond the outermost centres their pixels count.
template <int Channels>
void warp_bilinear(const byte_image& image, const affine_map& m, const std::uint8_t* fill, std::uint8_t* out) {
  const int width = image.width, height = image.height;
  const auto between = [](double from, double to, double part) { return from + rounded((to - from) * part); };
  for (int y = 0; y < height; ++y) {
    const double row_x = rounded(m.b * (y + 0.5)), row_y = rounded(m.e * (y + 0.5));
    for (int x = 0; x < width; ++x, out += Channels) {
      double at_x = rounded(m.a * (x + 0.5)) + row_x + m.c, at_y = rounded(m.d * (x + 0.5)) + row_y + m.f;
      if (!(at_x >= 0 && at_x < width && at_y >= 0 && at_y < height)) {
        for (int c = 0; c < Channels; ++c) out[c] = fill[c];
        continue;
      }
      at_x -= 0.5, at_y -= 0.5;
      const int left = static_cast<int>(std::floor(at_x)), top = static_cast<int>(std::floor(at_y));
      const double part_x = at_x - left, part_y = at_y - top;
      const int x0 = std::max(left, 0) * Channels, x1 = std::min(left + 1, width - 1) * Channels;
      const std::uint8_t *upper = image.row(std::max(top, 0)), *lower = image.row(std::min(top + 1, height - 1));
      for (int c = 0; c < Channels; ++c) {
        const double above = between(upper[x0 + c], upper[x1 + c], part_x);
        out[c] = static_cast<std::uint8_t>(between(above, between(lower[x0 + c], lower[x1 + c], part_x), part_y));
      }
    }
  }
}

inline void warp_image(byte_image& image, const affine_map& m, const warp& how) {
  std::vector<std::uint8_t>& out = image_scratch(image.pixels.size());
  if (how.filter == interpolation::nearest)
    (image.channels == 3 ? warp_nearest<3> : warp_nearest<1>)(image, m, how.fill.data(), out.data());
  else
    (image.channels == 3 ? warp_bilinear<3> : warp_bilinear<1>)(image, m, how.fill.data(), out.data());
  image.pixels.swap(out);
}

/// Python's round(v, 15), for |v| <= 1: the decimal nearest to the exact binary value.
inline double round_15(double v) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, 15).ptr;
  std::from_chars(text, end, v);
  return v;
}

/// The angle that torchvision makes of a slope: to degrees and back.
inline double shear_angle(const char* op, double slope) {
  if (!(std::fabs(slope) <= 1000)) fail<argument_error>(op, ": slope ", slope, " is outside [-1000, 1000]");
  return std::atan(slope) * (180.0 / std::numbers::pi) * (std::numbers::pi / 180.0);
}

}  // namespace advprop::detail

namespace advprop::image_ops {

ADVPROP_API void rotate(byte_image& image, double degrees, const warp& how) {
  if (!std::isfinite(degrees)) fail<argument_error>("rotate: ", degrees, " degrees; must be finite");
  double turn = std::fmod(degrees, 360.0);
  if (turn < 0) turn += 360.0;
  if (turn == 0) return;
  const double angle = -(turn * (std::numbers::pi / 180.0)), x = image.width / 2.0, y = image.height / 2.0;
  const double cosine = detail::round_15(std::cos(angle)), sine = detail::round_15(std::sin(angle));
  const auto moved = [&](double a, double b, double back) {
    return detail::rounded(a * -x) + detail::rounded(b * -y) + back;
  };
  detail::warp_image(image, {cosine, sine, moved(cosine, sine, x), -sine, cosine, moved(-sine, cosine, y)}, how);
}

ADVPROP_API void shear_x(byte_image& image, double slope, const warp& how) {
  detail::warp_image(image, {1, std::tan(detail::shear_angle("shear_x", slope)), 0, 0, 1, 0}, how);
}

ADVPROP_API void shear_y(byte_image& image, double slope, const warp& how) {
  const double angle = detail::shear_angle("shear_y", slope);
  detail::warp_image(image, {1, 0, 0, std::sin(angle) / std::cos(angle), 1, 0}, how);
}

ADVPROP_API void translate_x(byte_image& image, int pixels, const warp& how) {
  detail::warp_image(image, {1, 0, -static_cast<double>(pixels), 0, 1, 0}, {interpolation::nearest, how.fill});
}

ADVPROP_API void translate_y(byte_image& image, int pixels, const warp& how) {
  detail::warp_image(image, {1, 0, 0, 0, 1, -static_cast<double>(pixels)}, {interpolation::nearest, how.fill});
}

}  // namespace advprop::image_ops
