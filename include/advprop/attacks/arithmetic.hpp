// The scalar steps that attacks are made of; they run on host and device.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include <advprop/core/host_device.hpp>

namespace advprop {

/// -1, 0 or 1; 0 for zero, like torch.sign.
ADVPROP_HD constexpr float sign(float x) { return static_cast<float>((x > 0.f) - (x < 0.f)); }

ADVPROP_HD constexpr float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/// The pixel nearest to `x` within `epsilon` of `original` and within [0,1]; exact in float: |result - original| as
/// computed in float never exceeds epsilon, although original + epsilon may round outwards.
ADVPROP_HD inline float project(float x, float original, float epsilon) {
  float y = clamp(original + clamp(x - original, -epsilon, epsilon), 0.f, 1.f);
  // std::nextafter(y, original) for a y above 0, but without a call, so that loops become vectors.
  const float inwards = std::bit_cast<float>(std::bit_cast<std::int32_t>(y) + (y > original ? -1 : 1));
  return std::fabs(y - original) > epsilon && y > 0 ? inwards : y;
}

}  // namespace advprop
