// What images are normalised by.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <advprop/core/number_text.hpp>

namespace advprop {

/// Mean and standard deviation of each channel, of values in [0, 1].
struct channel_statistics {
  std::vector<float> mean, deviation;

  friend bool operator==(const channel_statistics&, const channel_statistics&) = default;
};

/// "mean 0.4914, 0.4822, 0.4465, deviation 0.247, 0.2435, 0.2616".
inline std::string description(const channel_statistics& s) {
  return "mean " + shortest(s.mean) + ", deviation " + shortest(s.deviation);
}

/// To the four decimals that such numbers are published with.
inline bool nearly_equal(const channel_statistics& a, const channel_statistics& b) {
  const auto near = [](const std::vector<float>& x, const std::vector<float>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                      [](float v, float w) { return std::fabs(v - w) < 1e-4f; });
  };
  return near(a.mean, b.mean) && near(a.deviation, b.deviation);
}

}  // namespace advprop
