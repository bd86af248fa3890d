// What a network is made from.
#pragma once

#include <string>

#include <advprop/core/channel_statistics.hpp>
#include <advprop/core/random.hpp>

namespace advprop::program {

/// Channels of an image and number of classes: what a network has to be compiled for.
struct data_shape {
  int channels, classes;
  friend constexpr bool operator==(const data_shape&, const data_shape&) = default;
};

struct runner_options {
  std::string model;
  data_shape shape{1, 10};
  int auxiliaries = 0;
  channel_statistics normalization;  // empty: none, for a network that is not run
  advprop::seed seed{0};
  bool zero_last_scale = false;
  float stochastic_depth = -1;  // below 0: the network's own
};

}  // namespace advprop::program
