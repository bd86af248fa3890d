// Whole AdvProp steps against PyTorch, on any device: tests/golden/README.md says how the files were made and what the
// numbers mean.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <advprop/attacks/pgd.hpp>
#include <advprop/io/safetensors.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>

#include "../golden/generated.hpp"

namespace golden_steps {

using namespace advprop;

using golden::distance;
using golden::initial_value;
using golden::make_images;
using golden::stream;

inline constexpr float epsilon = 4.f / 255;

inline tensor<float, 4> make_given(const std::string& network, int number, const tensor<float, 4>& clean) {
  const random_stream r = stream(network + "/given/" + std::to_string(number));
  tensor<float, 4> out = clean;
  for (std::ptrdiff_t i = 0; i < out.size(); ++i) {
    float& v = out.data()[i];
    v = clamp(r.at(static_cast<std::uint64_t>(i)) >> 31 ? v + epsilon : v - epsilon, 0.f, 1.f);
  }
  return out;
}

/// Replaces the images by given ones.
struct replay {
  const tensor<float, 4>* images;
  void perturb(auto& objective, auto& to, const auto&, random_stream&) const {
    (void)objective;
    memory_copy(*to.device, std::span<const float>(images->begin(), images->end()),
                std::span<float>(to.begin(), to.end()));
  }
};
static_assert(attack_policy<replay>);

/// PGD-5 whose random start comes from the golden stream.
struct golden_pgd {
  std::string name;
  tensor<float, 4>* result;
  void perturb(auto& objective, auto& to, const auto& labels, random_stream&) const {
    random_stream r = stream(name);
    attack::pgd{.epsilon = 4, .step = 1, .steps = 5}.perturb(objective, to, labels, r);
    memory_copy(*to.device, std::span<const float>(to.begin(), to.end()),
                std::span<float>(result->begin(), result->end()));
  }
};
static_assert(attack_policy<golden_pgd>);

inline const sgd optimizer{.learning_rate = 0.01f, .momentum = 0.9f, .weight_decay = 5e-4f};

template <class Network, class Device>
struct setting {
  using network = model<Network, domains<2>, Device>;
  Device& device;
  std::string name;
  int batch;
  std::array<int, 5> numbers;
  safetensors file = safetensors::read(ADVPROP_TEST_SOURCE "/golden/advprop_" + name + ".safetensors");
  network net{device};
  typename sgd::state<network> state{optimizer, net};

  std::vector<float> host(std::span<const float> numbers_there) {
    std::vector<float> v(numbers_there.size());
    memory_copy(device, numbers_there, v);
    return v;
  }

  void reset() {
    for (const parameter& p : net.table()) {
      const auto v = initial_value(p);
      memory_copy(device, std::span<const float>(v), net[p]);
    }
    fill(device, 0.f, state.slot(0));
  }

  step_metrics step(int number, const tensor<float, 4>& clean, const auto& attack, execution how) {
    random_stream r = stream(name + "/labels/" + std::to_string(number));
    tensor<int, 1> labels({batch});
    for (int& l : labels) l = r.below(10);
    adversarial_propagation method(attack);
    method.execution = how;
    const labelled_images streams[] = {{clean.view(), labels.view()}};
    net.zero_gradients();
    const step_metrics m = method.gradients(net, streams, step_options{});
    state.step();
    return m;
  }

  void check(const std::string& step, double bound) {
    std::map<std::string, double> worst;
    const auto note = [&](const std::string& kind, const std::string& tensor_name, std::span<const float> values) {
      const double d = distance(file, step + "." + kind + "." + tensor_name, tensor_name, host(values));
      INFO(step << " " << kind << " " << tensor_name << ": " << d);
      CHECK(d <= bound);
      worst[kind] = std::max(worst[kind], d);
    };
    for (const parameter& p : net.table()) {
      note("state", p.name, net[p]);
      if (p.role == role::mean || p.role == role::variance) continue;
      note("momentum", p.name, state.slot(0).subspan(p.offset, p.count));
      if (step == "step1") note("gradient", p.name, net.gradient(p));
    }
    for (const auto& [kind, d] : worst)
      MESSAGE(name << " " << step << ": largest relative distance of a " << kind << ": " << d);
  }

  void given(execution how) {
    reset();
    const auto losses = file.floats("losses.given");
    for (int i = 0; i < 5; ++i) {
      const int number = numbers[static_cast<std::size_t>(i)];
      const auto clean = make_images(name, number, batch);
      const auto adversarial = make_given(name, number, clean);
      if (i == 0) {
        for (const parameter& p : net.table()) CHECK(distance(file, "initial." + p.name, p.name, host(net[p])) <= 1e-6);
        CHECK(distance(file, "input.images", "input", {clean.data(), static_cast<std::size_t>(clean.size())}) <= 1e-7);
        CHECK(distance(file, "input.given", "input",
                       {adversarial.data(), static_cast<std::size_t>(adversarial.size())}) <= 1e-7);
      }
      const step_metrics m = step(number, clean, replay{&adversarial}, how);
      for (std::size_t part = 0; part < 2; ++part)
        CHECK(m.parts[part].loss() == doctest::Approx(losses[static_cast<std::size_t>(2 * i) + part]).epsilon(1e-4));
      if (i == 0) check("step1", 1e-4);
      if (i == 4) check("step5", 1e-4);
    }
  }

  void own() {
    reset();
    const auto losses = file.floats("losses.own");
    const auto truth = file.floats("own.adversarial.step1");
    for (int i = 0; i < 5; ++i) {
      const int number = numbers[static_cast<std::size_t>(i)];
      const auto clean = make_images(name, number, batch);
      tensor<float, 4> adversarial(clean.extents());
      const step_metrics m = step(number, clean, golden_pgd{name + "/start/" + std::to_string(number), &adversarial},
                                  execution::sequential);
      for (std::size_t part = 0; part < 2; ++part)
        CHECK(m.parts[part].loss() == doctest::Approx(losses[static_cast<std::size_t>(2 * i) + part]).epsilon(0.01));
      if (i > 0) continue;
      long equal = 0;
      for (std::size_t j = 0; j < truth.size(); ++j) equal += std::fabs(adversarial.data()[j] - truth[j]) <= 1e-5f;
      const double share = static_cast<double>(equal) / static_cast<double>(truth.size());
      MESSAGE(name << ": adversarial pixels equal to PyTorch's: " << 100 * share << " %");
      CHECK(share >= 0.999);
    }
  }
};

using cifar10_resnet18 = resnet18<10, cifar_stem, normalize<cifar10_statistics>>;

template <class Device>
setting<resnet20<10>, Device> for_resnet20(Device& d) {
  return {d, "resnet20", 8, {4, 9, 23, 43, 53}};
}
template <class Device>
setting<cifar10_resnet18, Device> for_resnet18(Device& d) {
  return {d, "resnet18_cifar", 4, {58, 73, 186, 268, 282}};
}

}  // namespace golden_steps
