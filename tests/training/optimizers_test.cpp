#include <advprop/training/optimizers.hpp>

#include <cmath>
#include <string>
#include <type_traits>

#include "../models/harness.hpp"
#include "lion.hpp"

namespace optimizers_test {

using namespace harness;

namespace {
using two = small_model<domains<2>>;

void fill_gradients(two& m, std::uint64_t seed) {
  random_stream r(seed);
  for (float& g : m.gradients()) g = r.uniform(-1, 1);
}

/// The factor of the first rate whose name the tensor's begins with, a whole word of it.
float rate_of(const std::vector<layer_rate>& rates, const std::string& tensor) {
  for (const layer_rate& r : rates)
    if (r.name.empty() || (tensor + ".").rfind(r.name + ".", 0) == 0) return r.factor;
  return 1;
}

/// Four steps beside `formula(decay, w, g, first slot, second slot, rate, step)` in double, by the rule and with the
/// clipping that the optimizer has; the slots start from `first` and 0. What learns at rate 0 is left out of it all.
template <class Optimizer, class Formula>
void check(const Optimizer& o, double first, Formula formula) {
  using state_type = typename Optimizer::template state<two>;
  static_assert(optimizer_policy<Optimizer, two>);
  cpu d(1);
  two m(d);
  scramble(m);
  state_type state(o, m);
  const bool all = o.decay_rule == decay_rule::all, both = all || o.decay_rule == decay_rule::weights_and_biases;
  std::vector<double> w(m.values().begin(), m.values().end()), a(w.size(), first), b(w.size(), 0);
  for (std::uint64_t k = 1; k <= 4; ++k) {
    fill_gradients(m, k);
    const double factor = 1.0 / static_cast<double>(k);
    double length = 0;
    for (const parameter& p : m.table())
      if (rate_of(o.layer_rates, p.name) > 0)
        for (float g : m.gradient(p)) length += double(g) * g;
    const double clip = o.clip_norm > 0 ? std::min(1.0, o.clip_norm / (std::sqrt(length) + 1e-6)) : 1;
    for (const parameter& p : m.table()) {
      if (p.role == role::mean || p.role == role::variance) continue;
      const double rate = o.learning_rate * factor * double(rate_of(o.layer_rates, p.name));
      if (rate == 0) continue;
      const bool decayed = all || p.role == role::weight || (both && p.role == role::bias);
      for (std::size_t i = p.offset; i < p.offset + p.count; ++i)
        formula(decayed ? double(o.weight_decay) : 0, w[i], clip * m.gradients()[i], a[i], b[i], rate,
                static_cast<double>(k));
    }
    state.step(factor);
    CHECK(state.updates == static_cast<std::int64_t>(k));
  }
  CHECK(distance(m.values(), w) < 1e-6);
  CHECK(distance(state.slot(0), a) < 1e-6);
  if (state_type::slots.size() > 1)
    CHECK(distance(state.slot(static_cast<int>(state_type::slots.size()) - 1), b) < 1e-6);
}

void check_sgd(const sgd& o) {
  check(o, 0, [&](double decay, double& w, double g, double& v, double&, double rate, double) {
    g += decay * w;
    v = double(o.momentum) * v + g;
    w -= rate * (o.nesterov ? g + o.momentum * v : v);
  });
}
void check_rmsprop(const rmsprop& o) {
  check(o, 1, [&](double decay, double& w, double g, double& s, double& v, double rate, double) {
    g += decay * w;
    s = double(o.decay) * s + (1 - double(o.decay)) * g * g;
    v = double(o.momentum) * v + rate * g / std::sqrt(s + double(o.epsilon));
    w -= v;
  });
}
void check_adamw(const adamw& o) {
  check(o, 0, [&](double decay, double& w, double g, double& m, double& s, double rate, double t) {
    w *= 1 - rate * decay;
    m = double(o.beta1) * m + (1 - double(o.beta1)) * g;
    s = double(o.beta2) * s + (1 - double(o.beta2)) * g * g;
    w -= rate * (m / (1 - std::pow(double(o.beta1), t))) /
         (std::sqrt(s / (1 - std::pow(double(o.beta2), t))) + double(o.epsilon));
  });
}

void check_lion(const own_optimizer::lion& o) {
  check(o, 0, [&](double decay, double& w, double g, double& m, double&, double rate, double) {
    const double c = double(o.beta1) * m + (1 - double(o.beta1)) * g;
    w -= rate * ((c > 0) - (c < 0) + decay * w);
    m = double(o.beta2) * m + (1 - double(o.beta2)) * g;
  });
}

/// One of each kind, for what must hold for all.
template <class F>
void with_each(F f) {
  f("sgd", sgd{});
  f("rmsprop", rmsprop{});
  f("adamw", adamw{});
}
}  // namespace

// A copy would be at work on the same numbers.
static_assert(!std::is_copy_constructible_v<sgd::state<two>> && !std::is_move_constructible_v<adamw::state<two>>);

TEST_CASE("SGD equals the formula: plain, momentum, Nesterov, decay, clipping") {
  check_sgd({.learning_rate = 0.1f, .momentum = 0});
  check_sgd({.learning_rate = 0.05f, .momentum = 0.9f});
  check_sgd({.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 0.1f});
  check_sgd({.weight_decay = 0.1f, .decay_rule = decay_rule::weights_and_biases});
  check_sgd({.weight_decay = 0.1f, .decay_rule = decay_rule::all});
  check_sgd({.learning_rate = 0.05f, .momentum = 0.8f, .weight_decay = 0.1f, .nesterov = true});
  check_sgd({.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 0.1f, .clip_norm = 2});
  check_sgd({.learning_rate = 0.05f, .momentum = 0.9f, .clip_norm = 1000});
}

TEST_CASE("RMSProp equals the formula: both rules of decay, without momentum, clipping") {
  check_rmsprop({});
  check_rmsprop({.learning_rate = 0.1f, .weight_decay = 0.1f});
  check_rmsprop({.weight_decay = 0.1f, .decay_rule = decay_rule::weights});
  check_rmsprop({.decay = 0.5f, .momentum = 0, .epsilon = 0.1f, .clip_norm = 2});
}

TEST_CASE("AdamW equals the formula: both rules of decay, other betas, clipping") {
  check_adamw({});
  check_adamw({.learning_rate = 0.1f, .weight_decay = 0.5f});
  check_adamw({.weight_decay = 0.5f, .decay_rule = decay_rule::weights_and_biases});
  check_adamw({.weight_decay = 0.5f, .decay_rule = decay_rule::all, .layer_rates = {{"bn1", 0.5f}}});
  check_adamw({.beta1 = 0.5f, .beta2 = 0.8f, .epsilon = 0.1f, .weight_decay = 0, .clip_norm = 2});
}

TEST_CASE("An optimizer of one's own has rules of decay and layers' rates from what all are made of") {
  check_lion({});
  check_lion({.learning_rate = 0.05f, .beta1 = 0.5f, .weight_decay = 0.1f});
  check_lion({.weight_decay = 0.1f, .decay_rule = decay_rule::all, .layer_rates = {{"fc", 2}, {"block", 0}}});
  cpu d(1);
  two m(d);
  using state = own_optimizer::lion::state<two>;
  CHECK_THROWS_WITH_AS(state({.learning_rate = -1}, m), "lion: learning_rate is -1, must be 0 or more", argument_error);
  CHECK(own_optimizer::lion{.layer_rates = {{"fc", 2}}}.description() == "lion learning_rate 0.001 layer_rates fc 2");
}

TEST_CASE("Layers learn at rates of their own, by the first that names them; decay and clipping follow") {
  const std::vector<std::vector<layer_rate>> lists = {
      {{"fc", 10}, {"", 0.1f}},
      {{"block", 0.5f}},
      {{"fc.bias", 0}, {"fc", 2}, {"conv1", 0}},
      {{"block.bn2.aux_bn.0", 0.25f}, {"block.bn2", 0}, {"bn1.weight", 3}},
      {{"fc", 1}, {"", 0}}};
  for (const auto& list : lists) {
    CAPTURE(detail::described(list));
    check_sgd({.learning_rate = 0.05f, .weight_decay = 0.1f, .clip_norm = 2, .layer_rates = list});
    check_rmsprop({.weight_decay = 0.1f, .clip_norm = 2, .layer_rates = list});
    check_adamw({.learning_rate = 0.05f, .weight_decay = 0.5f, .layer_rates = list});
    check_adamw({.decay_rule = decay_rule::weights_and_biases, .clip_norm = 2, .layer_rates = list});
  }
}

TEST_CASE(
    "What learns at rate 0 keeps its bits, whatever its gradients, and numbers are swept in as few parts as can be") {
  cpu d(1);
  two m(d);
  scramble(m);
  with_each([&](const std::string& name, auto o) {
    CAPTURE(name);
    o.layer_rates = {{"fc", 1}, {"", 0}};
    o.weight_decay = 0.5f;
    o.clip_norm = 1;
    const auto before = copy_of(m.values());
    typename decltype(o)::template state<two> state(o, m);
    for (float& g : m.gradients()) g = 1e30f;
    for (const parameter& p : m.table())
      if (p.name.starts_with("fc"))
        for (float& g : m.gradient(p)) g = 0.5f;
    state.step();
    for (const parameter& p : m.table()) {
      if (p.role == role::mean || p.role == role::variance) continue;
      const std::span old(before.data() + p.offset, p.count);
      CHECK(same_bits(m[p], old) == !p.name.starts_with("fc"));
      for (float v : m[p]) CHECK(std::isfinite(v));
    }
  });
  const auto parts = [&](std::vector<layer_rate> rates) {
    return detail::learnt_parts("sgd", m.table(), m.decayed(), rates).size();
  };
  CHECK(parts({}) == 2);
  CHECK(parts({{"", 0.5f}}) == 2);
  CHECK(parts({{"fc", 0.5f}}) == 4);  // weights but the last, the last, its biases, norms
  std::size_t numbers = 0;
  for (const auto& p : detail::learnt_parts("sgd", m.table(), m.decayed(), {})) numbers += p.count;
  CHECK(numbers == m.values().size());
}

TEST_CASE("Rates of layers that there are not, negative ones, and a network that would learn nothing are refused") {
  cpu d(1);
  two m(d);
  with_each([&](const std::string& name, auto o) {
    using state_type = typename decltype(o)::template state<two>;
    const auto refused = [&](std::vector<layer_rate> rates, const std::string& text) {
      o.layer_rates = std::move(rates);
      CHECK_THROWS_WITH_AS(state_type(o, m), (name + ": layer_rates" + text).c_str(), argument_error);
    };
    refused({{"fc", 1}, {"layer4", 0.1f}}, ": the network has no tensor or layer 'layer4', only conv1, block, fc, bn1");
    refused({{"", 0.5f}, {"fc", 0}}, ": 'fc' is never asked: names before it have all its tensors");
    refused({{"fc.weight", 1}, {"fc.bias", 1}, {"fc", 0}},
            ": 'fc' is never asked: names before it have all its tensors");
    refused({{"f", 1}}, ": the network has no tensor or layer 'f', only conv1, block, fc, bn1");
    refused({{"fc", -1}}, ": the factor of 'fc' is -1, must be 0 or more");
    refused({{"fc", NAN}}, ": the factor of 'fc' is nan, must be 0 or more");
    refused({{"", 0}}, " keep every tensor as it is, so that nothing would be learned");
    o.layer_rates = {{"bn1.running_mean", 0}};  // a name of the network, though not of what is learnt
    CHECK_NOTHROW(state_type(o, m));
  });
}

TEST_CASE("By default the paper's RMSProp decays biases, SGD and AdamW do not") {
  CHECK(sgd{}.decay_rule == decay_rule::weights);
  CHECK(adamw{}.decay_rule == decay_rule::weights);
  CHECK(rmsprop{}.decay_rule == decay_rule::weights_and_biases);
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

TEST_CASE("The slots start the same whatever the memory held") {
  cpu d(1);
  two m(d);
  with_each([&](const std::string& name, const auto& o) {
    CAPTURE(name);
    using state_type = typename std::decay_t<decltype(o)>::template state<two>;
    for (int repeat = 0; repeat < 2; ++repeat) {
      state_type state(o, m);
      CHECK(state.updates == 0);
      for (int k = 0; k < static_cast<int>(state_type::slots.size()); ++k) {
        CHECK(state.slot(k).size() == m.values().size());
        const bool ones =
            std::string(state_type::slots[static_cast<std::size_t>(k)]) == "mean_square" && name == "rmsprop";
        for (float& v : state.slot(k)) {
          CHECK(v == (ones ? 1.f : 0.f));
          v = 3;
        }
      }
    }
  });
}

TEST_CASE("Options out of range are refused with the optimizer's name and theirs") {
  cpu d(1);
  two m(d);
  const auto check_error = [&]<class Optimizer>(const Optimizer& o, const char* text) {
    using state_type = typename Optimizer::template state<two>;
    CHECK_THROWS_WITH_AS(state_type(o, m), doctest::Contains(text), argument_error);
  };
  check_error(sgd{.learning_rate = -0.1f}, "sgd: learning_rate is -0.1, must be 0 or more");
  check_error(sgd{.learning_rate = NAN}, "sgd: learning_rate is nan");
  check_error(sgd{.momentum = 1}, "sgd: momentum is 1, must be in [0, 1)");
  check_error(sgd{.weight_decay = -1}, "sgd: weight_decay is -1");
  check_error(sgd{.clip_norm = NAN}, "sgd: clip_norm");
  check_error(rmsprop{.learning_rate = INFINITY}, "rmsprop: learning_rate is inf");
  check_error(rmsprop{.decay = 1}, "rmsprop: decay is 1, must be in [0, 1)");
  check_error(rmsprop{.momentum = -0.5f}, "rmsprop: momentum is -0.5");
  check_error(rmsprop{.epsilon = 0}, "rmsprop: epsilon is 0, must be positive");
  check_error(rmsprop{.weight_decay = -1e-5f}, "rmsprop: weight_decay is -1e-05");
  check_error(rmsprop{.clip_norm = -1}, "rmsprop: clip_norm");
  check_error(adamw{.learning_rate = -1}, "adamw: learning_rate");
  check_error(adamw{.beta1 = 1}, "adamw: beta1 is 1");
  check_error(adamw{.beta2 = NAN}, "adamw: beta2 is nan");
  check_error(adamw{.epsilon = -1e-8f}, "adamw: epsilon is -1e-08");
  check_error(adamw{.weight_decay = NAN}, "adamw: weight_decay");
  check_error(adamw{.clip_norm = -1}, "adamw: clip_norm");
}

TEST_CASE("A description holds every option, to the last bit") {
  const std::string plain = sgd{}.description();
  CHECK(plain == "sgd learning_rate 0.1 momentum 0.9 weight_decay 0 decay_rule 0 nesterov 0 clip_norm 0");
  CHECK(rmsprop{}.description() ==
        "rmsprop learning_rate 0.016 decay 0.9 momentum 0.9 epsilon 0.001 weight_decay 1e-05 decay_rule 1 clip_norm 0");
  CHECK(adamw{}.description() ==
        "adamw learning_rate 0.001 beta1 0.9 beta2 0.999 epsilon 1e-08 weight_decay 0.01 decay_rule 0 clip_norm 0");
  CHECK(sgd{.learning_rate = std::nextafter(0.1f, 1.f)}.description() != plain);
  const std::vector<layer_rate> rates = {{"fc", 1}, {"block.bn2", 0.1f}, {"", 0}};
  CHECK(sgd{.layer_rates = rates}.description() == plain + " layer_rates fc 1, block.bn2 0.1, * 0");
  CHECK(adamw{.layer_rates = rates}.description() == adamw{}.description() + " layer_rates fc 1, block.bn2 0.1, * 0");
}

}  // namespace optimizers_test
