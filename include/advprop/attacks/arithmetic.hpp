// The scalar steps that attacks are made of; they run on host and device.
#pragma once

#include <cmath>

#ifdef __CUDACC__
#define ADVPROP_HD __host__ __device__
#else
#define ADVPROP_HD
#endif

namespace advprop {

/// -1, 0 or 1; 0 for zero, like torch.sign.
ADVPROP_HD constexpr float sign(float x) { return static_cast<float>((x > 0.f) - (x < 0.f)); }

ADVPROP_HD constexpr float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/// The pixel nearest to `x` within `epsilon` of `original` and within [0,1]; exact in float: |result - original| as
/// computed in float never exceeds epsilon, although original + epsilon may round outwards.
ADVPROP_HD inline float project(float x, float original, float epsilon) {
  float y = clamp(original + clamp(x - original, -epsilon, epsilon), 0.f, 1.f);
  if (std::fabs(y - original) > epsilon) y = std::nextafter(y, original);
  return y;
}

}  // namespace advprop
