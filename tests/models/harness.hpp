// Small networks and images that the tests of models, attacks and training share.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/ops/cpu.hpp>

#include <advprop/core/tensor.hpp>
#include <advprop/models/model.hpp>

namespace harness {

using namespace advprop;

/// Two convolutions, batch norm with and without a residual, four classes, one channel.
struct small_block
    : residual<sequential<named<"conv", convolution<6, 3>>, named<"bn2", batch_norm<>>>, identity, relu> {};
struct small
    : architecture<normalize<mnist_statistics>, named<"conv1", convolution<6, 3, 2>>, named<"bn1", batch_norm<>>, relu,
                   named<"block", small_block>, global_average_pool, named<"fc", linear<4>>> {};

template <class Domains = domains<2>>
using small_model = model<small, Domains, cpu>;
using three = domains<3>;

inline tensor<float, 4> images(int batch, int extent = 8, int channels = 1, std::uint64_t seed = 1) {
  tensor<float, 4> t({batch, extent, extent, channels});
  random_stream r(seed, 77);
  for (float& v : t) v = r.uniform();
  return t;
}
inline tensor<int, 1> labels(int batch, int classes = 4, std::uint64_t seed = 2) {
  tensor<int, 1> t({batch});
  random_stream r(seed, 78);
  for (int& v : t) v = r.below(classes);
  return t;
}

/// Numbers of every kind away from 0 and 1, other ones in every domain.
template <class Model>
void scramble(Model& m, std::uint64_t seed = 5) {
  random_stream r(seed);
  for (const parameter& p : m.table())
    for (float& v : m[p]) switch (p.role) {
        case role::weight:
          break;
        case role::scale:
        case role::variance:
          v = r.uniform(0.5f, 1.5f);
          break;
        default:
          v = r.uniform(-0.4f, 0.4f);
      }
}

inline std::vector<float> copy_of(std::span<const float> s) { return {s.begin(), s.end()}; }
template <class A, class B>
bool same_bits(const A& a, const B& b) {
  const auto count = static_cast<std::size_t>(std::size(a));
  return count == static_cast<std::size_t>(std::size(b)) &&
         std::memcmp(std::data(a), std::data(b), count * sizeof(*std::data(a))) == 0;
}
/// Relative to the longer one.
template <class A, class B>
double distance(const A& a, const B& b) {
  double d = 0, na = 1e-60, nb = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::size(a)); ++i) {
    const double x = std::data(a)[i], y = std::data(b)[i];
    d += (x - y) * (x - y), na += x * x, nb += y * y;
  }
  return std::sqrt(d / std::max(na, nb));
}

/// A model's whole state, for comparisons.
template <class Model>
struct snapshot {
  std::vector<float> values, running;
  std::vector<std::int64_t> tracked;
  explicit snapshot(Model& m) : values(copy_of(m.values())), running(copy_of(m.running())) {
    for (int s = 0; s < Model::domains_type::statistic_sets; ++s) tracked.push_back(m.batches_tracked(s));
  }
  friend bool operator==(const snapshot& a, const snapshot& b) {
    return same_bits(a.values, b.values) && same_bits(a.running, b.running) && a.tracked == b.tracked;
  }
};

template <class Model>
const parameter& entry(const Model& m, std::string_view name) {
  for (const parameter& p : m.table())
    if (p.name == name) return p;
  FAIL("no tensor " << name);
  return m.table()[0];
}
template <class Model>
std::span<float> tensor_of(Model& m, std::string_view name) {
  return m[entry(m, name)];
}

/// batch x classes.
inline std::vector<float> logits_of(const feature_map<cpu>& y) {
  std::vector<float> v;
  for (int n = 0; n < y.batch(); ++n)
    for (int k = 0; k < y.image().channels; ++k) v.push_back(channel_block(y.view(), n, k / 8)[k % 8]);
  return v;
}

}  // namespace harness
