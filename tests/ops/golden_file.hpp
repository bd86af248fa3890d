// Maps and differences from a golden file, for tests of single operations.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/io/safetensors.hpp>

#include "maps.hpp"

namespace maps {

/// One file of tests/golden.
struct golden_file {
  advprop::safetensors file;
  explicit golden_file(const std::string& name)
      : file(advprop::safetensors::read(ADVPROP_TEST_SOURCE "/golden/" + name)) {}

  /// A tensor of up to four dimensions; those that lack count as 1.
  map load_map(const std::string& key) const {
    const auto& shape = file.at(key).shape;
    const auto extent = [&](std::size_t i) { return i < shape.size() ? static_cast<int>(shape[i]) : 1; };
    map m = map::zero(extent(0), extent(1), extent(2), extent(3));
    const auto values = file.floats(key);
    std::size_t i = 0;
    m.each([&](float& v) { v = values[i++]; });
    return m;
  }

  /// Largest difference, in units of the largest golden number; infinite for a NaN.
  double difference(const std::vector<float>& mine, const std::string& key) const {
    const auto truth = file.floats(key);
    REQUIRE(mine.size() == truth.size());
    double worst = 0, largest = 1e-30;
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const double e = std::fabs(static_cast<double>(mine[i]) - truth[i]);
      worst = e <= worst ? worst : std::isnan(e) ? HUGE_VAL : e;
      largest = std::max(largest, std::fabs(static_cast<double>(truth[i])));
    }
    return worst / largest;
  }
  double difference(map mine, const std::string& key) const {
    CHECK(mine.pads_are_zero());
    std::vector<float> v;
    mine.each([&](float& x) { v.push_back(x); });
    return difference(v, key);
  }
};

}  // namespace maps
