// The numbers that a run is known by.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/uncertainty.hpp>
#include <advprop/io/report/run.hpp>

namespace advprop::program {

struct experiment_result;

struct quantity {
  std::string key;    // in summary.json
  std::string head;   // of a column
  std::string label;  // in a report
  double value = 0;   // in seconds, or a fraction
  std::string unit = "%";
  bool less_is_better = false;
  int images = 0;  // of an accuracy: of how many; an error over several versions of images is none

  /// In its unit, without it: "88.35".
  std::string text(double v) const;
  /// "[88.11, 89.36]", the bounds of 95 % confidence of an accuracy.
  std::string interval_text() const;
  proportion_interval interval() const { return wilson_interval(value, images); }
};

/// The same ones in the same order for runs that are measured alike.
std::vector<quantity> quantities_of(const experiment_result& r);
/// Beside them, where only some of the test images are attacked, the clean accuracy of those, which accuracies under
/// attack are to be held against.
std::vector<quantity> told_quantities_of(const experiment_result& r);

/// For a report, with what it says behind the number.
measurement measurement_of(const quantity& q, std::string detail);

/// What the brackets mean.
std::string told_of_intervals();

}  // namespace advprop::program
