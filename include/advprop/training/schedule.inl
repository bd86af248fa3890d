// The definitions of schedule.hpp (core/linkage.hpp).
#pragma once

#include <cmath>
#include <numbers>
#include <string>

#include <advprop/training/schedule.hpp>

namespace advprop {

ADVPROP_API void schedule::check() const {
  const auto refuse = [](const char* member, double value, const char* range) {
    fail<argument_error>("schedule: ", member, " is ", shortest(value), ", must be ", range);
  };
  if (!(warm_up >= 0 && std::isfinite(warm_up))) refuse("warm_up", warm_up, "0 or more");
  if (!(decay > 0 && std::isfinite(decay))) refuse("decay", decay, "positive");
  if (!(final >= 0 && std::isfinite(final))) refuse("final", final, "0 or more");
  if (!(every > 0 && std::isfinite(every))) refuse("every", every, "positive");
  for (double m : milestones)
    if (!(m >= 0)) refuse("a milestone", m, "0 or more");
}

ADVPROP_API std::string schedule::description() const {
  std::string text = std::to_string(static_cast<int>(kind));
  for (double v : {warm_up, decay, final, every}) (text += " ") += shortest(v);
  for (double m : milestones) (text += " ") += shortest(m);
  return text;
}

ADVPROP_API double schedule::factor(double epoch, double epochs) const {
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
      return final + (1 - final) * 0.5 * (1 + std::cos(std::numbers::pi * t));
    }
    case shape::exponential:
      return std::pow(decay, epoch / every);
    case shape::staircase:  // a multiple counts as reached where rounding put the quotient just below it
      return std::pow(decay, std::floor(epoch / every + 1e-9));
  }
  return 1;
}

}  // namespace advprop
