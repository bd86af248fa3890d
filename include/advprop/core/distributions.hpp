// Random numbers of further distributions.
#pragma once

#include <cmath>

#include <advprop/core/random.hpp>

namespace advprop {

/// The logarithm of a gamma variate of the given shape (above 0) and scale 1, by Marsaglia and Tsang 2000: for small
/// shapes the variate itself may be too small for a double.
inline double log_gamma_variate(random_stream& rng, double shape) {
  if (shape < 1) {
    const double u = (rng.next() + 1.0) * 0x1p-32;
    return log_gamma_variate(rng, shape + 1) + std::log(u) / shape;
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = double(rng.normal()), t = 1 + c * x;
    const double u = (rng.next() + 1.0) * 0x1p-32;
    if (t <= 0) continue;
    const double v = t * t * t;
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

/// Beta(a, b), both above 0; in [0, 1].
inline float beta(random_stream& rng, double a, double b) {
  const double x = log_gamma_variate(rng, a), y = log_gamma_variate(rng, b);
  return static_cast<float>(1 / (1 + std::exp(y - x)));
}

/// Poisson of this mean, 0 to 700 (beyond, exp(-mean) is not a normal double), by inversion; takes one position.
inline int poisson(random_stream& rng, double mean) {
  double u = (rng.next() + 0.5) * 0x1p-32, p = std::exp(-mean);
  int k = 0;
  for (; u > p && p > 0; ++k) {
    u -= p;
    p *= mean / (k + 1);
  }
  return k;
}

}  // namespace advprop
