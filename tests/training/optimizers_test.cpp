#include <advprop/training/optimizers.hpp>

#include <cmath>

#include "../models/harness.hpp"

using namespace harness;

namespace {
using two = small_model<domains<2>>;

void fill_gradients(two& m, std::uint64_t seed) {
  random_stream r(seed);
  for (float& g : m.gradients()) g = r.uniform(-1, 1);
}

/// Three steps against the formula in double; PyTorch's update, decay on weights alone.
void check(const sgd& o) {
  cpu d(1);
  two m(d);
  scramble(m);
  sgd::state<two> state(o, m);
  std::vector<double> w(m.values().begin(), m.values().end()), v(w.size(), 0);
  for (std::uint64_t k = 1; k <= 3; ++k) {
    fill_gradients(m, k);
    const double factor = 1.0 / static_cast<double>(k);
    double length = 0;
    for (float g : m.gradients()) length += double(g) * g;
    const double clip = o.clip_norm > 0 ? std::min(1.0, o.clip_norm / (std::sqrt(length) + 1e-6)) : 1;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = clip * m.gradients()[i] + (i < m.decayed() ? double(o.weight_decay) * w[i] : 0);
      v[i] = double(o.momentum) * v[i] + g;
      w[i] -= o.learning_rate * factor * (o.nesterov ? g + o.momentum * v[i] : v[i]);
    }
    state.step(factor);
  }
  CHECK(distance(m.values(), w) < 1e-6);
  CHECK(distance(state.velocity(), v) < 1e-6);
}
}  // namespace

TEST_CASE("SGD equals the formula: plain, momentum, Nesterov, decay, clipping") {
  check({.learning_rate = 0.1f, .momentum = 0});
  check({.learning_rate = 0.05f, .momentum = 0.9f});
  check({.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 0.1f});
  check({.learning_rate = 0.05f, .momentum = 0.8f, .weight_decay = 0.1f, .nesterov = true});
  check({.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 0.1f, .clip_norm = 2});
  check({.learning_rate = 0.05f, .momentum = 0.9f, .clip_norm = 1000});
}

TEST_CASE("Decay spares biases and every batch norm's scale and shift") {
  cpu d(1);
  two m(d);
  scramble(m);
  const auto before = copy_of(m.values());
  m.zero_gradients();
  sgd::state<two> state({.learning_rate = 1, .momentum = 0, .weight_decay = 0.5f}, m);
  state.step();
  for (const parameter& p : m.table()) {
    if (p.role == role::mean || p.role == role::variance) continue;
    const auto at = static_cast<std::size_t>(m[p].data() - m.values().data());
    for (std::size_t i = 0; i < p.count; ++i)
      CHECK(m[p][i] == doctest::Approx(before[at + i] * (p.role == role::weight ? 0.5f : 1.f)));
  }
}

TEST_CASE("Clipping scales all gradients together to the wanted length, and leaves shorter ones alone") {
  cpu d(1);
  two m(d);
  const auto before = copy_of(m.values());
  const auto step = [&](float length) {
    memory_copy(d, before, m.values());
    fill_gradients(m, 1);
    sgd::state<two> state({.learning_rate = 1, .momentum = 0, .clip_norm = length}, m);
    state.step();
    double moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) moved += std::pow(double(m.values()[i]) - before[i], 2);
    return std::sqrt(moved);
  };
  const double whole = step(0);
  CHECK(step(0.5f) == doctest::Approx(0.5).epsilon(1e-4));
  CHECK(step(1e6f) == doctest::Approx(whole).epsilon(1e-6));
}

TEST_CASE("The velocity starts at zero whatever the memory held") {
  cpu d(1);
  two m(d);
  for (int i = 0; i < 2; ++i) {
    sgd::state<two> state({}, m);
    for (float& v : state.velocity()) {
      CHECK(v == 0);
      v = 3;
    }
  }
}

TEST_CASE("Options out of range are refused with their name") {
  cpu d(1);
  two m(d);
  const auto check_error = [&](const sgd& o, const char* text) {
    CHECK_THROWS_WITH_AS((sgd::state<two>(o, m)), doctest::Contains(text), argument_error);
  };
  check_error({.learning_rate = -0.1f}, "sgd: learning_rate is -0.1");
  check_error({.learning_rate = NAN}, "sgd: learning_rate");
  check_error({.momentum = 1}, "sgd: momentum is 1");
  check_error({.weight_decay = -1}, "sgd: weight_decay");
  check_error({.clip_norm = NAN}, "sgd: clip_norm");
}
