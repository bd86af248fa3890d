// Whole AdvProp steps against PyTorch: tests/golden/README.md says how the files were made and what the numbers mean.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <advprop/attacks/pgd.hpp>
#include <advprop/io/safetensors.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>

using namespace advprop;

namespace {

constexpr float epsilon = 4.f / 255;

random_stream stream(const std::string& name) {
  std::uint64_t tag = 0xCBF29CE484222325ull;  // FNV-1a
  for (unsigned char c : name) tag = (tag ^ c) * 0x100000001B3ull;
  return random_stream(2026).split(tag);
}

/// The initial value of a tensor, by its state-dict name (tests/golden/data.py, parameter).
std::vector<float> initial_value(const parameter& p) {
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
tensor<float, 4> make_images(const std::string& network, int number, int batch) {
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

tensor<float, 4> make_given(const std::string& network, int number, const tensor<float, 4>& clean) {
  const random_stream r = stream(network + "/given/" + std::to_string(number));
  tensor<float, 4> out = clean;
  for (std::ptrdiff_t i = 0; i < out.size(); ++i) {
    float& v = out.data()[i];
    v = clamp(r.at(static_cast<std::uint64_t>(i)) >> 31 ? v + epsilon : v - epsilon, 0.f, 1.f);
  }
  return out;
}

/// The 26 numbers that stand for a tensor (tests/golden/data.py, summary): L2 norm, sum, 8 projections, 16 samples.
std::array<double, 26> summary(const std::string& name, std::span<const float> values) {
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
double distance(const safetensors& golden, const std::string& key, const std::string& name,
                std::span<const float> values) {
  const auto truth = golden.floats(key);
  const auto mine = summary(name, values);
  double squares = 0;
  for (std::size_t j = 2; j < 10; ++j) squares += (mine[j] - truth[j]) * (mine[j] - truth[j]);
  return std::sqrt(squares / 8) / truth[0];
}

/// Replaces the images by given ones.
struct replay {
  const tensor<float, 4>* images;
  void perturb(auto& objective, auto& to, const auto&, random_stream&) const {
    (void)objective;
    std::copy(images->begin(), images->end(), to.begin());
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
    std::copy(to.begin(), to.end(), result->begin());
  }
};
static_assert(attack_policy<golden_pgd>);

const sgd optimizer{.learning_rate = 0.01f, .momentum = 0.9f, .weight_decay = 5e-4f};

template <class Network>
struct setting {
  std::string name;
  int batch;
  std::array<int, 5> numbers;
  safetensors golden = safetensors::read(ADVPROP_TEST_SOURCE "/golden/advprop_" + name + ".safetensors");
  cpu device{2};
  model<Network, domains<2>, cpu> net{device};
  typename sgd::state<model<Network, domains<2>, cpu>> state{optimizer, net};

  void reset() {
    for (const parameter& p : net.table()) {
      const auto v = initial_value(p);
      std::copy(v.begin(), v.end(), net[p].begin());
    }
    fill(device, 0.f, state.velocity());
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
      const double d = distance(golden, step + "." + kind + "." + tensor_name, tensor_name, values);
      INFO(step << " " << kind << " " << tensor_name << ": " << d);
      CHECK(d <= bound);
      worst[kind] = std::max(worst[kind], d);
    };
    for (const parameter& p : net.table()) {
      note("state", p.name, net[p]);
      if (p.role == role::mean || p.role == role::variance) continue;
      note("momentum", p.name, state.velocity().subspan(p.offset, p.count));
      if (step == "step1") note("gradient", p.name, net.gradient(p));
    }
    for (const auto& [kind, d] : worst)
      MESSAGE(name << " " << step << ": largest relative distance of a " << kind << ": " << d);
  }

  void given(execution how) {
    reset();
    const auto losses = golden.floats("losses.given");
    for (int i = 0; i < 5; ++i) {
      const int number = numbers[static_cast<std::size_t>(i)];
      const auto clean = make_images(name, number, batch);
      const auto adversarial = make_given(name, number, clean);
      if (i == 0) {
        for (const parameter& p : net.table()) CHECK(distance(golden, "initial." + p.name, p.name, net[p]) <= 1e-6);
        CHECK(distance(golden, "input.images", "input", {clean.data(), static_cast<std::size_t>(clean.size())}) <=
              1e-7);
        CHECK(distance(golden, "input.given", "input",
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
    const auto losses = golden.floats("losses.own");
    const auto truth = golden.floats("own.adversarial.step1");
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

}  // namespace

TEST_CASE("ResNet-20: five AdvProp steps on given adversarial images equal PyTorch's") {
  setting<resnet20<10>> s{"resnet20", 8, {4, 9, 23, 43, 53}};
  s.given(execution::sequential);
  s.given(execution::concatenated);
}

TEST_CASE("ResNet-20: five AdvProp steps with the attack of our own follow PyTorch's") {
  setting<resnet20<10>> s{"resnet20", 8, {4, 9, 23, 43, 53}};
  s.own();
}

TEST_CASE("CIFAR ResNet-18: five AdvProp steps on given adversarial images equal PyTorch's") {
  setting<cifar10_resnet18> s{"resnet18_cifar", 4, {58, 73, 186, 268, 282}};
  s.given(execution::sequential);
}

TEST_CASE("CIFAR ResNet-18: five AdvProp steps with the attack of our own follow PyTorch's") {
  setting<cifar10_resnet18> s{"resnet18_cifar", 4, {58, 73, 186, 268, 282}};
  s.own();
}
