// One training run from settings to report, and what it came to.
#pragma once

#include <string>
#include <vector>

#include <advprop/io/report/run.hpp>

#include "data.hpp"
#include "run_folder.hpp"
#include "settings.hpp"

namespace advprop::program {

/// Accuracies in [0,1] through the main domain. `images` of the test set were attacked.
struct robustness {
  struct strength {
    double epsilon, fgsm, pgd;
  };
  int images = 0, pgd_steps = 0;
  double clean = 0;                  // of those images
  std::vector<strength> strengths;   // epsilons rising
};

struct experiment_result {
  std::string name;
  double accuracy = 0;  // main domain, all test images
  int test_images = 0;
  robustness attacked;
  double epsilon = 0, fgsm = 0, pgd = 0;  // the strength that results are named by
  double training_seconds = 0, step_seconds = 0, images_per_second = 0;
  run_report page;
};

/// Trains, or goes on training, in `folder`, and writes all of its files. `title` heads the lines of progress.
experiment_result run_experiment(const settings& s, const data_sets& data, const run_folder& folder,
                                 const std::string& name, const std::string& title);

/// "ResNet-20 on Fashion-MNIST".
std::string subject(const settings& s, const data_sets& data);

/// Paragraphs that tell how the numbers were measured.
std::vector<std::string> report_notes(const experiment_result& r);

}  // namespace advprop::program
