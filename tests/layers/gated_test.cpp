#include <advprop/layers/gated.hpp>

#include "harness.hpp"

namespace gated_test {

using namespace harness;

namespace {

template <class Model>
void check(cpu& d) {
  Model m(d);
  scramble(m);
  auto x = images(5, 4, 4, 3);
  for (const pass& p : passes(5)) check_gradients(m, x, p, 0.01f);
}

}  // namespace

TEST_CASE("A squeeze-and-excite gate and its gradients") {
  using squeeze = sequential<global_average_pool, named<"reduce", convolution<2, 1, 1, 0, 1, bias::on>>, silu,
                             named<"expand", convolution<5, 1, 1, 0, 1, bias::on>>, sigmoid>;
  cpu d(1);
  check<net<convolution<5, 3>, named<"se", gated<squeeze>>>>(d);
  check<net<gated<sequential<global_average_pool, sigmoid>>, convolution<4, 1>>>(d);
  check<net<gated<sequential<silu, global_average_pool, sigmoid>>, convolution<4, 1>>>(d);  // no mean first
  net<convolution<5, 3>, named<"se", gated<squeeze>>> m(d);
  CHECK(names(m) == std::vector<std::string>{"0.weight", "se.reduce.weight", "se.reduce.bias", "se.expand.weight",
                                             "se.expand.bias"});
  scramble(m);
  const auto x = images(2, 4, 4, 3);
  net<convolution<5, 3>> before(d);
  std::copy_n(m.values().begin(), before.values().size(), before.values().begin());
  net<convolution<5, 3>, squeeze> gate(d);
  std::copy(m.values().begin(), m.values().end(), gate.values().begin());
  const auto in = before.forward(x, pass::evaluate()), g = gate.forward(x, pass::evaluate()),
             y = m.forward(x, pass::evaluate());
  for (int c = 0; c < 5; ++c)
    CHECK(at(y.view(), 1, c, 2, 3) ==
          doctest::Approx(at(in.view(), 1, c, 2, 3) * at(g.view(), 1, c, 0, 0)).epsilon(1e-5));
}

}  // namespace gated_test
