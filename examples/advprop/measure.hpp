// What is measured of a trained network: accuracy against epsilon, errors on corrupted images, and pictures of attacks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <advprop/io/report/run.hpp>

#include "cell_file.hpp"
#include "evaluation.hpp"
#include "runner.hpp"

namespace advprop::program {

/// Accuracies in [0,1] through the main domain, on the first `images` test images.
struct attacked_accuracy {
  struct strength {
    double epsilon, fgsm, pgd;
  };
  int images = 0, steps = 0;
  double clean = 0;
  std::vector<strength> strengths;

  const strength& at(double epsilon) const;
};

/// PGD from uniform noise within epsilon; its steps together are 2.5 times as long as epsilon (Madry et al. 2018).
chosen_attack measuring_pgd(float epsilon, int steps);

/// What was measured of a trained network, so that a run that is resumed does not measure it again.
class kept_measurements {
 public:
  /// `key` stands for all that every measurement depends on. `say` is told what takes time, when it begins.
  kept_measurements(const std::string& path, std::string key, std::function<void(const std::string&)> say);

  /// What was kept under that name, or what `measure` gives.
  metrics_entry get(const std::string& name, const std::string& work, const std::function<metrics_entry()>& measure);

 private:
  cell_file cells_;
  std::string key_, said_;
  std::function<void(const std::string&)> say_;
};

/// FGSM and PGD of each epsilon.
attacked_accuracy measure_robustness(runner& net, const image_source& test, int images,
                                     const std::vector<float>& epsilons, int steps, seed s, kept_measurements& kept);

/// Errors through the main domain on `images` test images, each corrupted in every way.
struct corrupted_errors {
  int images = 0, severities = 0;               // no images: nothing was measured
  std::vector<robustness::corruption> counted;  // what the mean is taken over
  corruption_summary errors;
  heat_map map;           // by corruption and severity
  picture_group samples;  // what the corruptions look like

  /// Such as "14 of 15 corruptions (all but frost)".
  std::string kinds() const;
};

/// Those that the settings name.
corrupted_errors measure_corruptions(runner& net, const settings& s, int images, kept_measurements& kept);

/// The first test image of each of the first `classes` classes, before and after the attack.
picture_gallery attack_pictures(runner& net, const image_source& test, int classes, const chosen_attack& attack,
                                seed s);

}  // namespace advprop::program
