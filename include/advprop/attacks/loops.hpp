// What the attacks do to every number of a batch, as named functions: a GPU's library holds them compiled, so that
// files that use these attacks need no compiler for the GPU. `in_cuda_library` says so to the device.
#pragma once

#include <cmath>

#include <advprop/attacks/arithmetic.hpp>

namespace advprop::attack::loops {

/// One step of length a along the gradient's sign, and back into the ball and into [0,1].
struct sign_step {
  static constexpr bool in_cuda_library = true;
  float a, epsilon;
  ADVPROP_HD float operator()(float x, float g, float x0) const { return project(x + a * sign(g), x0, epsilon); }
};
/// The same without the ball.
struct free_sign_step {
  static constexpr bool in_cuda_library = true;
  float a;
  ADVPROP_HD float operator()(float x, float g) const { return clamp(x + a * sign(g), 0.f, 1.f); }
};
/// Noise becomes a point of the ball around x0.
struct noisy_start {
  static constexpr bool in_cuda_library = true;
  float epsilon;
  ADVPROP_HD float operator()(float noise, float x0) const { return project(x0 + noise, x0, epsilon); }
};
struct difference {
  static constexpr bool in_cuda_library = true;
  ADVPROP_HD float operator()(float x, float x0) const { return x - x0; }
};

// With a number of the image's own as the last argument.

/// A step of length |a| along the gradient, whose L2 norm is given.
struct normalised_step {
  static constexpr bool in_cuda_library = true;
  float a;
  ADVPROP_HD float operator()(float x, float g, float norm) const { return x + a / std::fmax(norm, 1e-12f) * g; }
};
/// x0 + d, d of the given L2 norm brought into the ball; then into [0,1], which never leaves the ball.
struct shrink {
  static constexpr bool in_cuda_library = true;
  float epsilon;
  ADVPROP_HD float operator()(float d, float x0, float norm) const {
    const float s = norm > epsilon ? epsilon / norm * (1 - 1e-6f) : 1.f;  // a hair inside, against rounding
    return clamp(x0 + s * d, 0.f, 1.f);
  }
};
/// From a norm and a number in [0,1): what gives a vector of that norm a length uniform in [0, epsilon].
struct random_length {
  static constexpr bool in_cuda_library = true;
  float epsilon;
  ADVPROP_HD float operator()(float norm, float u) const { return epsilon * u / std::fmax(norm, 1e-12f); }
};
struct scaled_start {
  static constexpr bool in_cuda_library = true;
  ADVPROP_HD float operator()(float z, float x0, float s) const { return clamp(x0 + s * z, 0.f, 1.f); }
};
/// The decaying sum of gradients, each divided by the mean size of its image's numbers (Dong et al. 2018).
struct accumulate {
  static constexpr bool in_cuda_library = true;
  float decay;
  ADVPROP_HD float operator()(float v, float g, float mean_magnitude) const {
    return decay * v + 1 / std::fmax(mean_magnitude, 1e-30f) * g;
  }
};

/// The other number where the image is chosen.
struct choose {
  static constexpr bool in_cuda_library = true;
  ADVPROP_HD float operator()(float v, float other, float chosen) const { return chosen != 0 ? other : v; }
};
struct exceeds {
  static constexpr bool in_cuda_library = true;
  ADVPROP_HD float operator()(float, float v, float other) const { return v > other; }
};

}  // namespace advprop::attack::loops
