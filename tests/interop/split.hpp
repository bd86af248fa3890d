// ResNet-18 of three domains in one training pass over a batch in three equal parts: timm's split batch norms.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>

namespace interop {

using namespace advprop;

inline constexpr int batch = 12, extent = 64;
using policy = domains<3>;
using network = model<resnet18<10>, policy, cpu>;

/// tests/golden/data.py, stream
inline random_stream stream(const std::string& name) {
  std::uint64_t tag = 0xCBF29CE484222325ull;  // FNV-1a
  for (unsigned char c : name) tag = (tag ^ c) * 0x100000001B3ull;
  return random_stream(2026).split(tag);
}

/// Every tensor as tests/golden/data.py generates it from its name.
inline void generate(network& net) {
  for (const parameter& p : net.table()) {
    random_stream r = stream(p.name);
    std::size_t fan_in = 1;
    for (std::size_t i = 1; i < p.shape.size(); ++i) fan_in *= static_cast<std::size_t>(p.shape[i]);
    const float spread = static_cast<float>(std::sqrt(3.0 / static_cast<double>(fan_in)));
    const std::size_t negative = p.set > 0 ? 1 : 3;
    const auto values = net[p];
    for (std::size_t i = 0; i < values.size(); ++i) switch (p.role) {
        case role::weight:
          values[i] = spread * r.uniform(-1, 1);
          break;
        case role::bias:
          values[i] = 0.1f * r.uniform(-1, 1);
          break;
        case role::scale:
          values[i] = r.uniform(0.125f, 0.25f);
          break;
        case role::shift:
          values[i] = r.uniform(0.25f, 0.5f) * (i % 4 == negative ? -1.f : 1.f);
          break;
        case role::mean:
          values[i] = 0.2f * r.uniform(-1, 1);
          break;
        case role::variance:
          values[i] = r.uniform(0.5f, 1.5f);
          break;
      }
  }
}

inline std::vector<float> logits_of(const feature_map<cpu>& y) {
  std::vector<float> v;
  for (int n = 0; n < y.batch(); ++n)
    for (int k = 0; k < y.image().channels; ++k) v.push_back(channel_block(y.view(), n, k / 8)[k % 8]);
  return v;
}

/// Logits, batch x 10, of generated images with each third in a domain of its own; running statistics learn.
inline std::vector<float> training_pass(network& net) {
  tensor<float, 4> images({batch, extent, extent, 3});
  random_stream r = stream("split/images");
  for (float& v : images) v = r.uniform();
  constexpr int third = batch / 3;
  return logits_of(net.forward(
      images, pass::train(routing{{policy::at(0), third}, {policy::at(1), third}, {policy::at(2), third}})));
}

}  // namespace interop
