// The definitions of uncertainty.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/uncertainty.hpp>

namespace advprop {

ADVPROP_API sample_statistics statistics_of(std::span<const double> values) {
  if (values.empty()) fail<argument_error>("statistics_of: there are no measurements");
  sample_statistics s;
  s.count = static_cast<int>(values.size());
  for (const double v : values) s.mean += v / s.count;
  double squares = 0;
  for (const double v : values) squares += (v - s.mean) * (v - s.mean);
  if (s.count > 1) s.deviation = std::sqrt(squares / (s.count - 1));
  return s;
}

ADVPROP_API double student_p_value(double t, int degrees) {
  if (degrees < 1) fail<argument_error>("student_p_value: ", degrees, " degrees of freedom; must be 1 or more");
  const double angle = std::atan(std::abs(t) / std::sqrt(static_cast<double>(degrees)));
  const double square = std::cos(angle) * std::cos(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? std::cos(angle) : 1, sum = 0;
  for (int k = odd ? 1 : 0; k <= degrees - 2; k += 2) {
    sum += term;
    term *= square * (k + 1) / (k + 2);
  }
  const double within = odd ? 2 / std::numbers::pi * (angle + std::sin(angle) * sum) : std::sin(angle) * sum;
  return std::clamp(1 - within, 0.0, 1.0);
}

ADVPROP_API paired_difference compare_pairs(std::span<const double> first, std::span<const double> second) {
  if (first.size() != second.size() || first.size() < 2)
    fail<argument_error>("compare_pairs: ", first.size(), " and ", second.size(),
                         " measurements; must be as many, and two at least");
  std::vector<double> differences;
  for (std::size_t i = 0; i < first.size(); ++i) differences.push_back(second[i] - first[i]);
  for (const double d : differences)
    if (!std::isfinite(d)) fail<argument_error>("compare_pairs: a measurement is not a finite number");
  paired_difference result{statistics_of(differences)};
  const auto& d = result.difference;
  if (d.standard_error() > 1e-9 * std::abs(d.mean))
    result.p_value = student_p_value(d.mean / d.standard_error(), d.count - 1);
  return result;
}

ADVPROP_API proportion_interval wilson_interval(double share, long trials) {
  if (!(share >= 0 && share <= 1) || trials < 1)
    fail<argument_error>("wilson_interval: a share of ", share, " of ", trials, " trials");
  const double n = static_cast<double>(trials), square = 1.959963984540054 * 1.959963984540054;
  const double middle = (share + square / (2 * n)) / (1 + square / n);
  const double half = std::sqrt(square * (share * (1 - share) / n + square / (4 * n * n))) / (1 + square / n);
  return {share == 0 ? 0 : std::max(0.0, middle - half), share == 1 ? 1 : std::min(1.0, middle + half)};
}

}  // namespace advprop
