// The definitions of elastic.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include <advprop/robustness/elastic.hpp>
#include <advprop/robustness/filters.hpp>
#include <advprop/robustness/float_image.hpp>

namespace advprop::robustness::detail {

/// The image moved by the affine map that takes three points to three others; outside, it is mirrored.
inline float_image move_points(const float_image& image, const std::array<point, 3>& from,
                               const std::array<point, 3>& to) {
  // Backwards: a point is to[2] + a (to[0] - to[2]) + b (to[1] - to[2]), and comes from there in `from`.
  const point u{to[0].x - to[2].x, to[0].y - to[2].y}, v{to[1].x - to[2].x, to[1].y - to[2].y};
  const point p{from[0].x - from[2].x, from[0].y - from[2].y}, q{from[1].x - from[2].x, from[1].y - from[2].y};
  const double area = u.x * v.y - u.y * v.x;
  if (!(std::fabs(area) > 1e-9)) return image;  // they are on one line
  float_image result(image.height, image.width, image.channels);
  float* out = result.values.data();
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x, out += image.channels) {
      const double dx = x - to[2].x, dy = y - to[2].y;
      const double a = (dx * v.y - dy * v.x) / area, b = (dy * u.x - dx * u.y) / area;
      read_linear(image, from[2].x + a * p.x + b * q.x, from[2].y + a * p.y + b * q.y, border::reflect_101, out);
    }
  return result;
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API byte_image elastic_transform(const byte_image& image, const elastic_strength& s, random_stream& rng) {
  const int side = std::min(image.height, image.width);
  const double x = image.width / 2, y = image.height / 2, reach = side / 3;
  const std::array<detail::point, 3> from = {{{x + reach, y + reach}, {x + reach, y - reach}, {x - reach, y - reach}}};
  std::array<detail::point, 3> to = from;
  const auto jitter = static_cast<float>(s.jitter * side);
  for (detail::point& p : to) {
    p.x += static_cast<double>(rng.uniform(-jitter, jitter));
    p.y += static_cast<double>(rng.uniform(-jitter, jitter));
  }
  const float_image moved = detail::move_points(float_image(image), from, to);

  const auto field = [&] {
    float_image f(image.height, image.width, 1);
    for (float& v : f.values) v = rng.uniform(-1, 1);
    gaussian_filter(f, s.sigma * side, border::reflect, 3);
    for (float& v : f.values) v *= static_cast<float>(s.shift * side);
    return f;
  };
  const float_image across = field(), down = field();
  float_image result(image.height, image.width, image.channels);
  float* out = result.values.data();
  for (int row = 0; row < image.height; ++row)
    for (int column = 0; column < image.width; ++column, out += image.channels)
      read_linear(moved, column + static_cast<double>(across.row(row)[column]),
                  row + static_cast<double>(down.row(row)[column]), border::reflect, out);
  return to_bytes(result);
}

}  // namespace advprop::robustness
