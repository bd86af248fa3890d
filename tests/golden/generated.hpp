// What tests/golden/*.py make from random_stream(2026), made here the same way; and how a tensor is compared with its
// summary. tests/golden/README.md gives the rules.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/io/safetensors.hpp>
#include <advprop/layers/parameters.hpp>

namespace golden {

using namespace advprop;

inline random_stream stream(const std::string& name) {
  std::uint64_t tag = 0xCBF29CE484222325ull;  // FNV-1a
  for (unsigned char c : name) tag = (tag ^ c) * 0x100000001B3ull;
  return random_stream(2026).split(tag);
}

/// The initial value of a tensor, by its state-dict name (tests/golden/data.py, parameter).
inline std::vector<float> initial_value(const parameter& p) {
  random_stream r = stream(p.name);
  std::vector<float> v(p.count);
  std::size_t fan_in = 1;
  for (std::size_t i = 1; i < p.shape.size(); ++i) fan_in *= static_cast<std::size_t>(p.shape[i]);
  const bool auxiliary = p.name.find("aux_bn") != std::string::npos;
  for (std::size_t i = 0; i < v.size(); ++i) switch (p.role) {
      case role::variance:
        v[i] = r.uniform(0.5f, 1.5f);
        break;
      case role::mean:
        v[i] = 0.2f * r.uniform(-1, 1);
        break;
      case role::weight:
        v[i] = static_cast<float>(std::sqrt(3.0 / static_cast<double>(fan_in))) * r.uniform(-1, 1);
        break;
      case role::bias:
        v[i] = 0.1f * r.uniform(-1, 1);
        break;
      case role::scale:
        v[i] = r.uniform(0.125f, 0.25f);
        break;
      case role::shift:
        v[i] = r.uniform(0.25f, 0.5f);
        if (i % 4 == (auxiliary ? 1u : 3u)) v[i] = -v[i];
        break;
    }
  return v;
}

/// Smooth images with a little grain (tests/golden/data.py, images).
inline tensor<float, 4> make_images(const std::string& network, int number, int batch) {
  constexpr int extent = 32, channels = 3, cells = extent / 8 + 1;
  const random_stream grid = stream(network + "/grid/" + std::to_string(number));
  const random_stream grain = stream(network + "/grain/" + std::to_string(number));
  tensor<float, 4> out({batch, extent, extent, channels});
  const auto cell = [&](int n, int y, int x, int c) {
    return static_cast<int>(grid.at(static_cast<std::uint64_t>(((n * cells + y) * cells + x) * channels + c)) >> 24);
  };
  std::uint64_t at = 0;
  for (int n = 0; n < batch; ++n)
    for (int y = 0; y < extent; ++y)
      for (int x = 0; x < extent; ++x)
        for (int c = 0; c < channels; ++c) {
          const int gy = y / 8, gx = x / 8, fy = y % 8, fx = x % 8;
          const int smooth = ((8 - fy) * ((8 - fx) * cell(n, gy, gx, c) + fx * cell(n, gy, gx + 1, c)) +
                              fy * ((8 - fx) * cell(n, gy + 1, gx, c) + fx * cell(n, gy + 1, gx + 1, c))) /
                             64;
          const int value = std::clamp(smooth + static_cast<int>(grain.at(at++) >> 27) - 16, 0, 255);
          out(n, y, x, c) = static_cast<float>(value) / 255.f;
        }
  return out;
}

/// The 26 numbers that stand for a tensor (tests/golden/data.py, summary): L2 norm, sum, 8 projections, 16 samples.
inline std::array<double, 26> summary(const std::string& name, std::span<const float> values) {
  std::array<double, 26> out{};
  const random_stream signs = stream("signs/" + name);
  random_stream samples = stream("samples/" + name);
  double squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double v = values[i];
    squares += v * v;
    out[1] += v;
    const std::uint32_t word = signs.at(i);
    for (unsigned j = 0; j < 8; ++j) out[2 + j] += word >> (31 - j) & 1 ? -v : v;
  }
  out[0] = std::sqrt(squares);
  for (std::size_t i = 10; i < 26; ++i)
    out[i] = values[static_cast<std::size_t>(samples.below(static_cast<int>(values.size())))];
  return out;
}

/// The relative L2 distance of a tensor from the golden one, estimated from the 8 random projections.
inline double distance(const safetensors& golden, const std::string& key, const std::string& name,
                       std::span<const float> values) {
  const auto truth = golden.floats(key);
  const auto mine = summary(name, values);
  double squares = 0;
  for (std::size_t j = 2; j < 10; ++j) squares += (mine[j] - truth[j]) * (mine[j] - truth[j]);
  return std::sqrt(squares / 8) / truth[0];
}

}  // namespace golden
