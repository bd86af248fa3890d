// One training run from settings to report, and what it came to.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <advprop/io/report/run.hpp>

#include "data.hpp"
#include "measure.hpp"
#include "run_folder.hpp"
#include "settings.hpp"

namespace advprop::program {

struct experiment_result {
  std::string name;
  int left_out = 0;     // training images of an epoch that fill no batch
  double accuracy = 0;  // through the main domain, of all test images
  int test_images = 0;
  attacked_accuracy attacked;
  attacked_accuracy::strength headline{};  // the one that results are named by
  corrupted_errors corrupted;
  std::vector<measured_part> domains;  // on the test images
  int epoch = 0;                       // whose weights these are
  int trained = 0;                     // epochs: fewer than wanted where patience was at its end
  int validation_images = 0;
  double validation_accuracy = 0;    // of that epoch, through the main domain
  std::vector<std::string> skipped;  // broken files
  double training_seconds = 0, step_seconds = 0, images_per_second = 0;
  std::size_t planned_bytes = 0, arena_bytes = 0;
  run_report page;
};

/// Throws what `run_experiment` would throw before its first step, and changes nothing.
void check_experiment(const settings& s, const data_sets& data, const run_folder& folder);

/// Trains, or goes on training, in `folder`, and writes all of its files. `name` stands in the report, `title` at the
/// head of the lines of progress; `begun` is called after the first step.
experiment_result run_experiment(const settings& s, const data_sets& data, const run_folder& folder,
                                 const std::string& name, const std::string& title,
                                 const std::function<void()>& begun = {});

/// Such as "resnet20 on Fashion-MNIST".
std::string subject(const settings& s, const data_sets& data);

/// "FGSM ε=4", "PGD-10 ε=4".
std::string fgsm_name(const experiment_result& r);
std::string pgd_name(const experiment_result& r);

/// Paragraphs that tell how the numbers were measured.
std::vector<std::string> report_notes(const settings& s, const experiment_result& r);

}  // namespace advprop::program
