// How far measurements can be trusted: several runs' mean and deviation, intervals of proportions, paired differences.
#pragma once

#include <cmath>
#include <span>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>

namespace advprop {

/// Of measurements that differ by chance, such as by the seed of a run.
struct sample_statistics {
  int count = 0;
  double mean = 0;
  double deviation = 0;  ///< the sample's, of count - 1 degrees of freedom; 0 where there is one measurement

  /// Of the mean.
  double standard_error() const { return deviation / std::sqrt(static_cast<double>(count)); }
};

/// Throws `argument_error` where there are none.
ADVPROP_API sample_statistics statistics_of(std::span<const double> values);

/// How probable it is that Student's t of that many degrees of freedom is at least as far from 0 as `t`, which may be
/// infinite (Abramowitz & Stegun 26.7.3 and 26.7.4). Throws `argument_error` for less than one degree.
ADVPROP_API double student_p_value(double t, int degrees);

/// What a second way has over a first one, by pairs of measurements that share what else is random.
struct paired_difference {
  sample_statistics difference;
  /// Two-sided, of Student's paired t-test: how probable so large a mean is by chance alone. 1 where all differences
  /// are equal, as those of a few test images may be: nothing then tells how much they vary.
  double p_value = 1;

  /// At the usual level of 5 %.
  bool within_noise() const { return p_value >= 0.05; }
};

/// `second` minus `first`. Throws `argument_error` unless there are as many, two at least, and all finite.
ADVPROP_API paired_difference compare_pairs(std::span<const double> first, std::span<const double> second);

/// Bounds in [0, 1].
struct proportion_interval {
  double low = 0, high = 1;
};

/// The interval of 95 % confidence around a share of `trials` (Wilson 1927), which holds near 0 and 1 as well. Throws
/// `argument_error` for a share outside [0, 1], and where there are no trials.
ADVPROP_API proportion_interval wilson_interval(double share, long trials);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/core/uncertainty.inl>
#endif
