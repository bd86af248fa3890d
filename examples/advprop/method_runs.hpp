// One method trained with several seeds: what its runs have in common, and how far they differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <advprop/core/uncertainty.hpp>
#include <advprop/io/metrics.hpp>
#include <advprop/io/report/run.hpp>

#include "experiment.hpp"
#include "quantities.hpp"

namespace advprop::program {

/// `seeds` and `runs` one for one; every run is measured alike.
struct method_runs {
  std::string name;
  std::vector<std::uint64_t> seeds;
  std::vector<experiment_result> runs;

  /// Quantity q of `quantities_of` in each run.
  std::vector<double> values(std::size_t q) const;
};

/// One run's own page; of several the means of numbers, curves and errors with their sample deviations, all confusions
/// together, and the pictures of the first.
run_report page_of(const method_runs& m);

/// Objects of the same members as one: every number becomes its mean, standard deviation and value by seed.
metrics_entry over_seeds(const std::vector<metrics_entry>& objects);

/// metrics.jsonl of `folder`: the epochs of the runs in `runs`, likewise.
void write_mean_metrics(const run_folder& folder, const std::vector<run_folder>& runs);

}  // namespace advprop::program
