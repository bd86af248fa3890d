// Learning-rate schedules and gradient clipping against PyTorch: tests/golden/README.md, layers.safetensors.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include <advprop/io/safetensors.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/schedule.hpp>

#include "../models/harness.hpp"

namespace golden_schedule_test {

using namespace advprop;

namespace {

const safetensors& golden() {
  static const safetensors file = safetensors::read(ADVPROP_TEST_SOURCE "/golden/layers.safetensors");
  return file;
}

void check(const schedule& s, const std::string& name) {
  const auto rates = golden().floats("rate." + name);
  REQUIRE(rates.size() == 20);
  for (int epoch = 0; epoch < 20; ++epoch) {
    CAPTURE(epoch);
    CHECK(0.1 * s.factor(epoch, 20) == doctest::Approx(rates[static_cast<std::size_t>(epoch)]).epsilon(1e-6));
  }
}

}  // namespace

TEST_CASE("Schedules give PyTorch's learning rates") {
  check(schedule::constant(), "constant");
  check(schedule::cosine(), "cosine20");
  check(schedule::cosine().warmed_up(5), "warmup5_cosine15");
  check(schedule::step({8, 14}), "step_8_14_gamma01");
}

TEST_CASE("Schedules go on between epochs, and the cosine ends where it is told") {
  CHECK(schedule::cosine().warmed_up(2).factor(0.5, 10) == 0.25);
  CHECK(schedule::cosine().factor(2.5, 10) > schedule::cosine().factor(2.6, 10));
  CHECK(schedule::cosine(0.1).factor(10, 10) == doctest::Approx(0.1));
}

TEST_CASE("Clipping scales all gradients to the given length together, as PyTorch's does") {
  const auto g = golden().floats("clip_norm_1.gradient"), clipped = golden().floats("clip_norm_1.clipped");
  cpu device(1);
  harness::small_model<> net(device, seed{1});
  sgd::state<harness::small_model<>> state(sgd{.learning_rate = 1, .momentum = 0, .clip_norm = 1}, net);
  const auto before = harness::copy_of(net.values());
  net.zero_gradients();
  std::copy(g.begin(), g.end(), net.gradients().begin());
  state.step();
  for (std::size_t i = 0; i < g.size(); ++i)
    CHECK(before[i] - net.values()[i] == doctest::Approx(clipped[i]).epsilon(1e-4));
}

TEST_CASE("SGD refuses numbers that make no sense") {
  cpu device(1);
  harness::small_model<> net(device, seed{1});
  using state = sgd::state<harness::small_model<>>;
  CHECK_THROWS_AS(state(sgd{.learning_rate = -1}, net), argument_error);
  CHECK_THROWS_AS(state(sgd{.momentum = 1}, net), argument_error);
  CHECK_THROWS_AS(state(sgd{.weight_decay = -1e-4f}, net), argument_error);
  CHECK_THROWS_AS(state(sgd{.clip_norm = -1}, net), argument_error);
}

}  // namespace golden_schedule_test
