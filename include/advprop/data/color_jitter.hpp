// Random brightness, contrast, saturation and hue, in random order: torchvision's ColorJitter.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/image_color.hpp>
#include <advprop/data/image_tables.hpp>

namespace advprop {

/// A range of factors around 1: one number a is [max(0, 1 - a), 1 + a], two are the range.
struct factor_range {
  float low = 1, high = 1;
  constexpr factor_range(float amount) : low(std::max(0.0f, 1 - amount)), high(1 + amount) {}  // NOLINT: reads as one
  constexpr factor_range(float from, float to) : low(from), high(to) {}
};

/// A range of turns around 0, in circles: one number a is [-a, a], two are the range.
struct turn_range {
  float low = 0, high = 0;
  constexpr turn_range(float amount) : low(-amount), high(amount) {}  // NOLINT: reads as one
  constexpr turn_range(float from, float to) : low(from), high(to) {}
};

/// Each factor uniform in its range: `color_jitter{.brightness = 0.4f, .saturation = {0.5f, 2.0f}, .hue = 0.1f}`.
struct color_jitter {
  factor_range brightness = 0.0f;
  factor_range contrast = 0.0f;
  factor_range saturation = 0.0f;
  turn_range hue = 0.0f;

  /// Takes seven positions of the stream. Throws `argument_error` for a range that is empty, of negative factors, or of
  /// turns outside [-0.5, 0.5].
  void operator()(byte_image& image, random_stream& rng) const {
    check("brightness", brightness);
    check("contrast", contrast);
    check("saturation", saturation);
    if (!(hue.low >= -0.5f && hue.low <= hue.high && hue.high <= 0.5f))
      fail<argument_error>("color_jitter: hue ", hue.low, " to ", hue.high, " is not a range in [-0.5, 0.5]");
    std::array<int, 4> order = {0, 1, 2, 3};
    for (std::size_t i = 3; i > 0; --i)
      std::swap(order[i], order[static_cast<std::size_t>(rng.below(static_cast<int>(i + 1)))]);
    const float b = rng.uniform(brightness.low, brightness.high), c = rng.uniform(contrast.low, contrast.high);
    const float s = rng.uniform(saturation.low, saturation.high), h = rng.uniform(hue.low, hue.high);
    for (int what : order) {
      if (what == 0 && changes(brightness, 1)) image_ops::brightness(image, b);
      if (what == 1 && changes(contrast, 1)) image_ops::contrast(image, c);
      if (what == 2 && changes(saturation, 1)) image_ops::color(image, s);
      if (what == 3 && changes(hue, 0)) image_ops::hue(image, h);
    }
  }

 private:
  static void check(const char* name, const factor_range& r) {
    if (!(r.low >= 0 && r.low <= r.high && std::isfinite(r.high)))
      fail<argument_error>("color_jitter: ", name, " ", r.low, " to ", r.high, " is not a range of factors from 0 on");
  }
  template <class Range>
  static bool changes(const Range& r, float nothing) {
    return !(r.low == nothing && r.high == nothing);
  }
};

}  // namespace advprop
