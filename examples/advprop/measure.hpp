// What is measured of a trained network: accuracy against epsilon, and pictures of attacks.
#pragma once

#include <string>
#include <vector>

#include <advprop/io/report/run.hpp>

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

/// FGSM and PGD of each epsilon.
attacked_accuracy measure_robustness(runner& net, const image_source& test, int images,
                                     const std::vector<float>& epsilons, int steps, seed s);

/// The first test image of each of the first `classes` classes, before and after the attack.
picture_gallery attack_pictures(runner& net, const image_source& test, int classes, const chosen_attack& attack,
                                seed s);

}  // namespace advprop::program
