#include <advprop/training/averaged_weights.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../models/harness.hpp"

namespace averaged_weights_test {

using namespace harness;

namespace {

using two = small_model<domains<2>>;

/// The model's numbers all change, statistics too.
void shake(two& m, std::uint64_t seed) {
  random_stream r(seed);
  for (float& v : m.values()) v += r.uniform(-1, 1);
  for (float& v : m.running()) v += r.uniform(0, 1);
}

std::vector<double> wide(std::span<const float> s) { return {s.begin(), s.end()}; }

}  // namespace

TEST_CASE("The average equals a naive loop over all weights, biases, scales, shifts and statistics of every domain") {
  for (const bool warm_up : {true, false}) {
    cpu d(1);
    two m(d);
    scramble(m);
    averaged_weights average(m, {.decay = 0.6, .warm_up = warm_up});
    CHECK(same_bits(average.values(), m.values()));
    CHECK(same_bits(average.running(), m.running()));
    auto values = wide(m.values()), running = wide(m.running());
    for (int t = 1; t <= 12; ++t) {  // the warm-up ends at t = 12.5
      shake(m, static_cast<std::uint64_t>(t));
      const double decay = warm_up ? std::min(0.6, (1.0 + t) / (10.0 + t)) : 0.6;
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = decay * values[i] + (1 - decay) * m.values()[i];
      for (std::size_t i = 0; i < running.size(); ++i) running[i] = decay * running[i] + (1 - decay) * m.running()[i];
      const snapshot before(m);
      average.update();
      CHECK(snapshot(m) == before);
      CHECK(average.updates == t);
      CHECK(distance(average.values(), values) < 1e-6);
      CHECK(distance(average.running(), running) < 1e-6);
    }
  }
}

TEST_CASE("The warm-up ends at the decay") {
  cpu d(1);
  two m(d);
  averaged_weights average(m, {.decay = 0.5});
  average.updates = 1000;
  m.values()[0] = 0;
  average.values()[0] = 8;
  average.update();
  CHECK(average.values()[0] == 4);
}

TEST_CASE("A swap puts the average into the model, and its end puts both back, bit for bit") {
  cpu d(1);
  two m(d);
  averaged_weights average(m, {.decay = 0.5});
  shake(m, 1);
  average.update();
  shake(m, 2);
  const snapshot own(m);
  const auto values = copy_of(average.values()), running = copy_of(average.running());
  const auto x = images(5);
  const auto expected = [&] {
    two n(d);
    memory_copy(d, values, n.values());
    memory_copy(d, running, n.running());
    return logits_of(n.forward(x, pass::evaluate(main_domain)));
  }();
  {
    const auto swapped = average.swap();
    CHECK(same_bits(m.values(), values));
    CHECK(same_bits(m.running(), running));
    CHECK(same_bits(average.values(), own.values));
    CHECK(same_bits(logits_of(m.forward(x, pass::evaluate(main_domain))), expected));
    CHECK_FALSE(average.follows(m));
    CHECK_THROWS_WITH_AS(average.update(), "averaged_weights: update while the model holds the average",
                         argument_error);
    CHECK_THROWS_WITH_AS((void)average.swap(), "averaged_weights: the model holds the average already", argument_error);
  }
  CHECK(snapshot(m) == own);
  CHECK(same_bits(average.values(), values));
  CHECK(same_bits(average.running(), running));
  CHECK(average.follows(m));
  two other(d);
  CHECK_FALSE(average.follows(other));
}

TEST_CASE("A decay out of range is refused") {
  cpu d(1);
  two m(d);
  for (double decay : {-0.1, 1.0, double(NAN)})
    CHECK_THROWS_WITH_AS(averaged_weights(m, {.decay = decay}), doctest::Contains("averaged_weights: decay is"),
                         argument_error);
}

}  // namespace averaged_weights_test
