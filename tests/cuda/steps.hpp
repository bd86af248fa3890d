// Steps of whole networks on both devices.
#pragma once

#include "device_under_test.hpp"

#include <algorithm>
#include <string>

#include <advprop/advprop.hpp>

namespace device_tests {

template <class Model>
std::vector<float> host(Model& net, std::span<const float> numbers) {
  std::vector<float> v(numbers.size());
  memory_copy(net.device(), numbers, v);
  return v;
}
template <class Model>
std::vector<float> weights(Model& net) {
  return host(net, net.values());
}

/// |a - b| / |b|
inline double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += std::pow(double(a[i]) - double(b[i]), 2);
    size += std::pow(double(b[i]), 2);
  }
  return std::sqrt(error / size);
}

struct batch {
  tensor<float, 4> images;
  tensor<int, 1> labels;
  batch(int count, int size, int classes) : images({count, size, size, 3}), labels({count}) {
    random_stream r(5);
    for (float& v : images) v = r.uniform();
    for (int& l : labels) l = r.below(classes);
  }
  labelled_images view() const { return {images.view(), labels}; }
};

/// Losses, gradients and statistics of one step of `method` on both devices. A step on few images is badly conditioned
/// (batch statistics of a handful of values, ReLU near zero), so floats may be as far from the CPU's best engines as
/// five times what those are from the CPU's reference engine; bfloat16 has a bound of its own.
template <class Network, class T, class Method>
void compare_step(const Method& method, int count, int size, double loss, double gradients = 0) {
  using domains = advprop::domains<2>;
  cpu c(2);
  basic_cuda<T> d;
  model<Network, domains, cpu> expected(c, seed{1});
  model<Network, domains, basic_cuda<T>> net(d, seed{1});
  CHECK(weights(net) == weights(expected));
  const batch b(count, size, Network::output({3, size, size}).channels);
  const labelled_images images = b.view();
  const step_options options{0.1f, random_stream(3, 1)};
  expected.zero_gradients();
  net.zero_gradients();
  const step_metrics x = method.gradients(expected, {&images, 1}, options);
  const step_metrics y = method.gradients(net, {&images, 1}, options);
  for (std::size_t i = 0; i < 2; ++i) CHECK(y.parts[i].loss_sum == doctest::Approx(x.parts[i].loss_sum).epsilon(loss));
  if (gradients == 0) {
    cpu slow(2);
    slow.convolutions(convolution_policy::gemm);
    model<Network, domains, cpu> reference(slow, seed{1});
    reference.zero_gradients();
    method.gradients(reference, {&images, 1}, options);
    gradients = 1e-5 + 5 * difference(host(reference, reference.gradients()), host(expected, expected.gradients()));
  }
  CHECK(difference(host(net, net.gradients()), host(expected, expected.gradients())) < gradients);
  CHECK(difference(host(net, net.running()), host(expected, expected.running())) < gradients);
}

/// Sweeps that do nothing but send a gradient through an activation, in a pass of an attack.
template <class Network>
std::ptrdiff_t activation_sweeps() {
  cuda dry(dry_run{});
  model<Network, domains<2>, cuda> net(dry);
  const work_plan plan = plan_evaluation(net, 2, 64, 64, attack::pgd{.steps = 1});
  return std::count_if(plan.items.begin(), plan.items.end(),
                       [](const work_item& i) { return std::string(i.operation) == "activation_backward"; });
}

/// Two domains on the same images: every layer in training mode, and nothing that depends on the sign of a number near
/// zero.
inline const adversarial_propagation two_domains{attack::none()};

}  // namespace device_tests
