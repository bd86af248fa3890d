// Optimizers beside PyTorch's and timm's, schedules beside theirs: tests/golden/README.md, optimizers.safetensors.
#include <doctest/doctest.h>

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <advprop/io/safetensors.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/schedule.hpp>

namespace golden_optimizers_test {

using namespace advprop;

namespace {

const safetensors& golden() {
  static const safetensors file = safetensors::read(ADVPROP_TEST_SOURCE "/golden/optimizers.safetensors");
  return file;
}

/// All that an optimizer sees of a model: 90 weights, 7 biases, and 12 numbers of batch norms.
struct block {
  cpu* device_;
  std::vector<float> numbers = golden().floats("start"), slopes = std::vector<float>(numbers.size());
  cpu& device() const { return *device_; }
  std::span<float> values() { return numbers; }
  std::span<float> gradients() { return slopes; }
  std::size_t decayed() const { return 90; }
  std::size_t biases() const { return 7; }
  std::vector<parameter> table() const {
    return {{"weights", role::weight, 0, {90}, 0, 90, {}},
            {"biases", role::bias, 0, {7}, 90, 7, {}},
            {"norms", role::scale, 0, {12}, 97, 12, {}}};
  }
  learning_claim learning(const std::vector<bool>&) { return {}; }
};

/// The largest difference of any number.
double difference(std::span<const float> numbers, const std::string& key) {
  const auto expected = golden().floats(key);
  REQUIRE(numbers.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    worst = std::fmax(worst, std::abs(double(numbers[i]) - double(expected[i])));
  return worst;
}

/// Five steps with a changing rate; then `slots`, which PyTorch calls by other names.
template <class Optimizer>
void check(const std::string& name, const Optimizer& o, const std::vector<std::string>& slots) {
  CAPTURE(name);
  cpu d(1);
  block net{&d};
  typename Optimizer::template state<block> state(o, net);
  const auto factors = golden().floats("factors");
  for (std::size_t k = 1; k <= factors.size(); ++k) {
    CAPTURE(k);
    net.slopes = golden().floats("gradient" + std::to_string(k));
    state.step(factors[k - 1]);
    CHECK(difference(net.values(), name + ".values" + std::to_string(k)) < 1e-6);
  }
  for (std::size_t i = 0; i < slots.size(); ++i)
    CHECK(difference(state.slot(static_cast<int>(i)), name + "." + slots[i]) < 1e-6);
}

void check(const schedule& s, const std::string& name) {
  CAPTURE(name);
  const auto factors = golden().floats("schedule." + name);
  REQUIRE(factors.size() == 100);
  for (int step = 0; step < 100; ++step) {
    CAPTURE(step);
    CHECK(s.factor(step / 5 + step % 5 / 5.0, 20) ==
          doctest::Approx(factors[static_cast<std::size_t>(step)]).epsilon(1e-6));
  }
}

}  // namespace

TEST_CASE("Five steps of RMSProp equal timm's RMSpropTF") {
  check("rmsprop.momentum0.9", rmsprop{.weight_decay = 0.1f}, {"square_avg", "momentum_buffer"});
  check("rmsprop.momentum0.0", rmsprop{.momentum = 0, .weight_decay = 0.1f}, {"square_avg"});
  check("rmsprop.weights",
        rmsprop{.learning_rate = 0.05f,
                .decay = 0.8f,
                .momentum = 0.5f,
                .epsilon = 0.1f,
                .weight_decay = 0.1f,
                .decay_rule = decay_rule::weights,
                .clip_norm = 2},
        {"square_avg", "momentum_buffer"});
}

TEST_CASE("Five steps of AdamW equal PyTorch's") {
  check("adamw.default", adamw{}, {"exp_avg", "exp_avg_sq"});
  check("adamw.both",
        adamw{.learning_rate = 0.05f,
              .beta1 = 0.8f,
              .beta2 = 0.95f,
              .epsilon = 1e-2f,
              .weight_decay = 0.5f,
              .decay_rule = decay_rule::weights_and_biases,
              .clip_norm = 2},
        {"exp_avg", "exp_avg_sq"});
}

TEST_CASE("Five steps of SGD that decays biases too equal PyTorch's") {
  check("sgd.both",
        sgd{.learning_rate = 0.05f,
            .weight_decay = 0.1f,
            .decay_rule = decay_rule::weights_and_biases,
            .nesterov = true,
            .clip_norm = 2},
        {"momentum_buffer"});
}

TEST_CASE("Five steps of parts that learn at rates of their own, or not at all, equal PyTorch's parameter groups") {
  const std::vector<layer_rate> rates = {{"weights", 0.1f}, {"biases", 0}, {"norms", 2}};
  check("sgd.rates",
        sgd{.learning_rate = 0.05f, .weight_decay = 0.1f, .nesterov = true, .clip_norm = 2, .layer_rates = rates},
        {"momentum_buffer"});
  check("adamw.rates",
        adamw{.learning_rate = 0.05f, .epsilon = 1e-2f, .weight_decay = 0.5f, .clip_norm = 2, .layer_rates = rates},
        {"exp_avg", "exp_avg_sq"});
  check("rmsprop.rates",
        rmsprop{.weight_decay = 0.1f, .decay_rule = decay_rule::weights, .clip_norm = 2, .layer_rates = rates},
        {"square_avg", "momentum_buffer"});
}

TEST_CASE("Exponential schedules give timm's and PyTorch's factors at every step") {
  check(schedule::staircase(), "staircase");
  check(schedule::staircase().warmed_up(5), "warmup5_staircase");
  check(schedule::exponential(), "exponential");
}

}  // namespace golden_optimizers_test
