// What a network is made from.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/random.hpp>

namespace advprop::program {

/// Channels of an image and number of classes: what a network has to be compiled for.
struct data_shape {
  int channels, classes;
  friend constexpr bool operator==(const data_shape&, const data_shape&) = default;
};

/// Mean and standard deviation that the input stage normalises with, one number per channel.
struct normalization_numbers {
  std::vector<float> mean, deviation;
};

struct runner_options {
  std::string model;
  data_shape shape{1, 10};
  int auxiliaries = 0;
  normalization_numbers normalization;
  advprop::seed seed{0};
  bool zero_last_scale = false;
  float stochastic_depth = -1;  // below 0: the network's own
};

}  // namespace advprop::program
