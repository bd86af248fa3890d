// What the comparisons with torchvision's and timm's networks share: tests/golden/zoo.py makes the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/models/model.hpp>
#include <advprop/ops/cpu.hpp>

#include "../golden/generated.hpp"

namespace zoo {

using namespace advprop;

inline constexpr int height = 72, width = 65, classes = 1000;

inline const safetensors& golden() {
  static const safetensors file = safetensors::read(ADVPROP_TEST_SOURCE "/golden/zoo.safetensors");
  return file;
}

/// zoo.py, parameter: norms that let a deep network's signal through.
inline void set_value(const std::string& network, const parameter& p, std::span<float> to) {
  const bool efficient = network.find("efficientnet") != std::string::npos;
  const bool deep = network.ends_with("b5") || network.ends_with("b6") || network.ends_with("b7");
  const float low = !efficient ? 0.6f : deep ? 1.1f : 1.2f, high = !efficient ? 1.0f : deep ? 1.4f : 1.5f;
  if (p.role == role::weight || p.role == role::mean || p.role == role::variance) {
    const auto v = ::golden::initial_value(p);
    std::copy(v.begin(), v.end(), to.begin());
    return;
  }
  random_stream r = ::golden::stream(p.name);
  for (float& v : to) v = p.role == role::scale ? r.uniform(low, high) : 0.2f * r.uniform(-1, 1);
}
template <class Model>
void set_weights(Model& net, const std::string& network) {
  for (const parameter& p : net.table()) set_value(network, p, net[p]);
}

inline tensor<float, 4> images(int batch) {
  tensor<float, 4> x({batch, height, width, 3});
  const random_stream r = ::golden::stream("zoo/images");
  for (std::ptrdiff_t i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<float>(r.at(static_cast<std::uint64_t>(i)) >> 24) / 255.f;
  return x;
}

/// batch x classes.
inline std::vector<float> logits_of(const feature_map<cpu>& y) {
  std::vector<float> v;
  for (int n = 0; n < y.batch(); ++n)
    for (int k = 0; k < y.image().channels; ++k) v.push_back(channel_block(y.view(), n, k / 8)[k % 8]);
  return v;
}

/// The largest difference, in parts of the largest number of the golden tensor.
inline double difference(const std::vector<float>& y, const std::string& key) {
  const auto truth = golden().floats(key);
  REQUIRE(y.size() == truth.size());
  double largest = 0, error = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(truth[i])));
    const double e = std::fabs(static_cast<double>(y[i]) - static_cast<double>(truth[i]));
    error = e <= error ? error : std::isnan(e) ? HUGE_VAL : e;  // std::max would pass over a NaN
  }
  return error / largest;
}

/// Logits of two images in evaluation. The model has an auxiliary domain with other numbers, which must not matter.
template <class Network>
void check(const std::string& name) {
  cpu device(2);
  model<Network, domains<2>, cpu> net(device);
  set_weights(net, name);
  const auto x = images(2);
  const double d = difference(logits_of(net.forward(x.view(), pass::evaluate())), name + ".logits");
  MESSAGE(name << ": logits differ by up to " << d << " of the largest");
  CHECK(d <= 1e-4);
}

/// One training pass over four images: logits, loss, running statistics and every gradient, that of the images too.
template <class Network>
void check_training(const std::string& name) {
  cpu device(2);
  model<Network, domains<1>, cpu> net(device);
  for (const parameter& p : net.table()) {
    if (!name.starts_with("resnet")) {
      set_value(name, p, net[p]);
      continue;
    }
    const auto v = ::golden::initial_value(p);  // keeps ReLU inputs off zero
    std::copy(v.begin(), v.end(), net[p].begin());
  }
  const auto x = images(4);
  tensor<int, 1> labels({4});
  random_stream r = ::golden::stream("zoo/labels");
  for (int& l : labels) l = r.below(classes);

  pass how = pass::train(main_domain);
  how.drop = false;
  auto logits = net.forward(x.view(), how, wrt::both);
  CHECK(difference(logits_of(logits), name + ".training.logits") <= 1e-3);
  feature_map<cpu> dlogits(device, 4, logits.image());
  const auto loss = cross_entropy(device, logits, labels.view(), 0, 1, dlogits);
  CHECK(loss.loss == doctest::Approx(golden().floats(name + ".training.loss")[0]).epsilon(1e-4));
  tensor<float, 4> gradient(x.extents());
  net.template backward<wrt::both>(std::move(dlogits), gradient.view());

  // In front of a batch norm a shift changes nothing: its gradient is zero but for rounding.
  double most = 0, worst = 0;
  for (const parameter& p : net.table())
    if (p.role != role::mean && p.role != role::variance)
      most = std::max(most, double{golden().floats(name + ".training.gradient." + p.name)[0]});
  std::string whose;
  const auto note = [&](const std::string& key, const std::string& tensor_name, std::span<const float> values) {
    const double length = golden().floats(name + ".training." + key)[0];
    const double error = ::golden::distance(golden(), name + ".training." + key, tensor_name, values) * length;
    const double d = length > 1e-9 * most ? error / length : 100 * error / most;
    INFO(key << ": " << d);
    CHECK(d <= 1e-3);
    if (d > worst) worst = d, whose = key;
  };
  for (const parameter& p : net.table())
    if (p.role == role::mean || p.role == role::variance)
      note("state." + p.name, p.name, net[p]);
    else
      note("gradient." + p.name, p.name, net.gradient(p));
  note("gradient.images", "images", {gradient.data(), static_cast<std::size_t>(gradient.size())});
  MESSAGE(name << " in training: largest relative distance " << worst << " (" << whose << ")");
}

}  // namespace zoo
