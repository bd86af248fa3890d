#include <advprop/layers/residual.hpp>
#include <advprop/layers/stochastic_depth.hpp>

#include "harness.hpp"

namespace residual_test {

using namespace harness;

namespace {
template <int Out, int Stride = 1>
using conv_norm = sequential<convolution<Out, 3, Stride>, batch_norm<>>;
// An activation at its end keeps the body whole, so add and activation run on their own.
template <int Out, int Stride = 1>
using conv_norm_plain = sequential<convolution<Out, 3, Stride>, batch_norm<>, identity>;
template <int Out, int Stride>
using projection = named<"downsample", sequential<convolution<Out, 1, Stride>, batch_norm<>>>;

template <class Model>
void check(cpu& d, float h = 0.004f) {
  Model m(d);
  scramble(m);
  auto x = images(5, 4, 4, 3);
  for (const pass& p : passes(5)) check_gradients(m, x, p, h);
  CHECK(d.memory().slabs() == 1);
}

/// The fused and the plain form: the same names, outputs and gradients.
template <class Fused, class Plain>
void compare() {
  cpu d(1);
  Fused fused(d);
  Plain apart(d);
  REQUIRE(names(fused) == names(apart));
  scramble(fused);
  scramble(apart);
  const auto x = images(5, 4, 4, 3);
  const auto count = static_cast<std::size_t>(x.size());
  for (const pass& p : passes(5)) {
    CHECK(difference(numbers_of(fused.forward(x, p)), numbers_of(apart.forward(x, p))) < 1e-6);
    const auto b = differentiate<wrt::both>(apart, x, p);
    for (const auto& a : {differentiate<wrt::both>(fused, x, p), differentiate<wrt::parameters>(fused, x, p)})
      CHECK(difference(a.parameters, b.parameters) < 2e-5);
    for (const auto& a : {differentiate<wrt::both>(fused, x, p), differentiate<wrt::input>(fused, x, p)})
      CHECK(difference({a.images.data(), count}, {b.images.data(), count}) < 2e-5);
  }
}
}  // namespace

static_assert(residual<conv_norm<8, 2>, projection<8, 2>>::output({3, 8, 8}) == shape{8, 4, 4});
static_assert(residual<conv_norm<8, 2>, projection<8, 2>>::parameters(3) == 8 * 27 + 16 + 8 * 3 + 16);
static_assert(subsample_shortcut<16, 2>::output({8, 7, 6}) == shape{16, 4, 3});

TEST_CASE("A residual with an identity shortcut and its gradients: identity and silu after the add") {
  cpu d(1);
  check<net<residual<conv_norm<3>>>>(d);
  check<net<convolution<5, 3>, residual<conv_norm<5>, identity, silu>>>(d);
}

TEST_CASE("Branches that fit for even sizes alone are refused for an odd one, however the body ends") {
  cpu d(1);
  const auto refused = [&](auto m) {
    using net_type = typename decltype(m)::type;
    net_type n(d);
    CHECK_NOTHROW(n.forward(images(5, 4, 4, 3), pass::train(main_domain)));
    for (const pass& p : passes(5))
      CHECK_THROWS_WITH_AS(n.forward(images(5, 5, 5, 3), p),
                           "residual: the body gives feature maps of 3x3, the shortcut of 2x2", argument_error);
  };
  using pooled = sequential<average_pool<2>, convolution<6, 1>, batch_norm<>>;  // ResNet-D's
  refused(std::type_identity<net<residual<conv_norm<6, 2>, pooled, relu>>>());
  refused(std::type_identity<net<residual<conv_norm_plain<6, 2>, pooled, relu>>>());
  refused(std::type_identity<net<residual<sequential<convolution<6, 3, 2>, relu>, pooled>>>());
}

TEST_CASE("A residual with a projection and its gradients") {
  cpu d(1);
  check<net<convolution<5, 3>, residual<conv_norm<6, 2>, projection<6, 2>, silu>>>(d);
}

TEST_CASE("A residual with option A and its gradients") {
  cpu d(1);
  check<net<convolution<3, 3>, residual<conv_norm<7, 2>, subsample_shortcut<7, 2>, silu>>>(d);
}

TEST_CASE("A residual whose body does not end in a batch norm and its gradients") {
  cpu d(1);
  check<net<residual<sequential<batch_norm<>, silu, convolution<3, 3>>>>>(d);
  check<net<convolution<5, 3>, residual<sequential<batch_norm<>, silu, convolution<6, 3, 2>>, projection<6, 2>, silu>>>(
      d);
  check<net<convolution<5, 3>, residual<silu>, residual<identity>>>(d);  // nothing to learn, shared memory on both ways
}

TEST_CASE("The sweep that norms, adds and activates equals the three steps apart") {
  compare<net<convolution<5, 3>, residual<conv_norm<5>, identity, relu>>,
          net<convolution<5, 3>, residual<conv_norm_plain<5>, identity, relu>>>();
  compare<net<convolution<5, 3>, residual<conv_norm<6, 2>, projection<6, 2>, silu>>,
          net<convolution<5, 3>, residual<conv_norm_plain<6, 2>, projection<6, 2>, silu>>>();
  compare<net<residual<conv_norm<6, 2>, subsample_shortcut<6, 2>, relu>>,
          net<residual<conv_norm_plain<6, 2>, subsample_shortcut<6, 2>, relu>>>();
}

TEST_CASE("Option A takes every second pixel and puts zero channels on both sides") {
  cpu d(1);
  plain_net<3, subsample_shortcut<7, 2>> m(d);
  auto x = images(2, 5, 4, 3);
  const auto y = m.forward(x, pass::evaluate());
  CHECK(y.image() == shape{7, 3, 2});
  for (int c = 0; c < 7; ++c)
    for (int h = 0; h < 3; ++h)
      for (int w = 0; w < 2; ++w)
        CHECK(at(y.view(), 1, c, h, w) == (c >= 2 && c < 5 ? x(1, 2 * h, 2 * w, c - 2) : 0.f));
  check_gradients(m, x, pass::evaluate(), 0.1f);
}

TEST_CASE("The last scale of a body closes its branch; a norm elsewhere does not") {
  cpu d(1);
  net<convolution<5, 3>, batch_norm<>,
      residual<sequential<convolution<5, 3>, batch_norm<>, relu, convolution<5, 3>, batch_norm<>>>>
      m(d);
  for (const parameter& p : m.table())
    CHECK(p.closes_branch == (p.name == "2.4.weight" || p.name == "2.4.aux_bn.0.weight"));
}

namespace {
template <class Body>
struct inner : residual<Body, named<"conv", convolution<5, 1>>> {};
template <class Body>
struct outer : residual<sequential<named<"main", convolution<5, 1>>>, named<"short", inner<Body>>> {};
}  // namespace

TEST_CASE("A body that hands its gradient on unchanged does not write into another branch's") {
  cpu d(1);
  check<net<convolution<5, 3>, outer<identity>>>(d);
  check<net<convolution<5, 3>, outer<sequential<>>>>(d);
  check<net<convolution<5, 3>, outer<sequential<stochastic_depth>>>>(d);
}

}  // namespace residual_test
