// The learning rate over a run, as a factor of its base.
#pragma once

#include <cmath>
#include <vector>

#include <advprop/core/error.hpp>

namespace advprop {

/// Constant, stepwise or cosine, after an optional linear warm-up.
struct schedule {
  enum class shape { constant, step, cosine } kind = shape::cosine;
  double warm_up = 0;              ///< epochs of linear rise from 0 (Goyal et al. 2017)
  std::vector<double> milestones;  ///< `step`: epochs at which the factor falls
  double decay = 0.1;              ///< `step`: what it is multiplied with there
  double final = 0;                ///< `cosine`: the factor at the end (Loshchilov & Hutter 2017)

  static schedule constant() { return {shape::constant, 0, {}, 0.1, 0}; }
  static schedule step(std::vector<double> epochs, double decay = 0.1) {
    return {shape::step, 0, std::move(epochs), decay, 0};
  }
  static schedule cosine(double warm_up = 0, double final = 0) { return {shape::cosine, warm_up, {}, 0.1, final}; }

  /// The factor at a point of the run, both in epochs; fractions count.
  double factor(double epoch, double epochs) const {
    if (warm_up > 0 && epoch < warm_up) return epoch / warm_up;
    switch (kind) {
      case shape::constant:
        return 1;
      case shape::step: {
        double f = 1;
        for (double m : milestones)
          if (epoch >= m) f *= decay;
        return f;
      }
      case shape::cosine: {
        const double span = epochs - warm_up;
        const double t = span > 0 ? std::fmin(1.0, (epoch - warm_up) / span) : 1.0;
        return final + (1 - final) * 0.5 * (1 + std::cos(3.14159265358979323846 * t));
      }
    }
    return 1;
  }
};

}  // namespace advprop
