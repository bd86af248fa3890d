#include <advprop/layers/sequential.hpp>

#include "harness.hpp"

namespace sequential_test {

using namespace harness;

namespace {
struct block5 : sequential<convolution<5, 3>, batch_norm<>, silu> {};
}  // namespace

static_assert(sequential<convolution<8, 3, 2>, batch_norm<>, max_pool<2>>::output({3, 16, 16}) == shape{8, 4, 4});
static_assert(sequential<convolution<8, 3, 2>, batch_norm<>, max_pool<2>>::parameters(3) == 8 * 27 + 16);
static_assert(repeat<3, block5>::parameters(5) == 3 * (5 * 5 * 9 + 10));
static_assert(repeat<3, convolution<5, 3, 2>>::output({5, 32, 32}) == shape{5, 4, 4});
static_assert(sequential<>::output({3, 2, 1}) == shape{3, 2, 1} && sequential<>::parameters(3) == 0);

TEST_CASE(
    "Layers are named by their position, by `named`, or by their place in a repetition, like torch.nn.Sequential") {
  cpu d(1);
  net<convolution<5, 3>, relu, convolution<5, 1, 1, 0, 1, bias::on>, repeat<2, convolution<5, 1>>, convolution<4, 1>,
      named<"layer1", repeat<2, sequential<named<"conv", convolution<4, 1>>>>>,
      named<"", sequential<named<"stem", convolution<3, 1>>>>, named<"fc", linear<2>>>
      m(d);
  CHECK(names(m) == std::vector<std::string>{"0.weight", "2.weight", "2.bias", "3.weight", "4.weight", "5.weight",
                                             "layer1.0.conv.weight", "layer1.1.conv.weight", "stem.weight", "fc.weight",
                                             "fc.bias"});
}

TEST_CASE("A fused pair keeps the names that it was written with") {
  cpu d(1);
  net<convolution<5, 3>, named<"bn", batch_norm<>>, relu, convolution<5, 3>, batch_norm<>, relu, convolution<4, 1>> m(
      d);
  CHECK(names(m) == std::vector<std::string>{"0.weight", "3.weight", "6.weight",                           //
                                             "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var",  //
                                             "bn.aux_bn.0.weight", "bn.aux_bn.0.bias", "bn.aux_bn.0.running_mean",
                                             "bn.aux_bn.0.running_var",                                //
                                             "4.weight", "4.bias", "4.running_mean", "4.running_var",  //
                                             "4.aux_bn.0.weight", "4.aux_bn.0.bias", "4.aux_bn.0.running_mean",
                                             "4.aux_bn.0.running_var"});
}

TEST_CASE("A repetition and its gradients: each copy has parameters of its own") {
  cpu d(1);
  net<convolution<5, 3>, repeat<3, block5>> behind(d);
  plain_net<5, repeat<2, block5>> first(d);
  scramble(behind);
  scramble(first);
  auto x = images(4, 4, 4, 3), five = images(4, 4, 4, 5);
  for (const pass& p : passes(4)) {
    check_gradients(behind, x, p);
    check_gradients(first, five, p);
  }
}

TEST_CASE("A repetition equals the blocks written out") {
  cpu d(1);
  net<convolution<5, 3>, repeat<3, block5>> repeated(d, seed{3});
  net<convolution<5, 3>, block5, block5, block5> written(d, seed{3});
  const auto x = images(4, 4, 4, 3);
  CHECK(copy_of(repeated.values()) == copy_of(written.values()));
  CHECK(numbers_of(repeated.forward(x, pass::train(main_domain))) ==
        numbers_of(written.forward(x, pass::train(main_domain))));
  const auto a = differentiate<wrt::both>(repeated, x, pass::train(main_domain)),
             b = differentiate<wrt::both>(written, x, pass::train(main_domain));
  CHECK(a.parameters == b.parameters);
  CHECK(std::equal(a.images.begin(), a.images.end(), b.images.begin()));
}

TEST_CASE("Nothing repeated is nothing at all") {
  cpu d(1);
  plain_net<5, repeat<0, block5>, convolution<2, 1>> m(d);
  CHECK(names(m) == std::vector<std::string>{"0.weight"});
  auto x = images(2, 3, 3, 5);
  check_gradients(m, x, pass::evaluate(), 0.1f);
}

TEST_CASE("Layers in front of the first that learns stay out of the way of the parameters' gradient") {
  cpu d(1);
  net<average_pool<2>, sigmoid, dropout<std::integral_constant<int, 0>>, convolution<4, 3>, silu, global_average_pool>
      m(d);
  auto x = images(3, 6, 6, 3);
  check_gradients(m, x, pass::evaluate(), 0.05f);
}

namespace {
struct own_relu : relu {
  template <int, class, class>
  struct state {};
};
struct own_norm : batch_norm<> {
  template <int, class, class>
  struct state {};
};
struct counted {
  using numbers = int;
  template <int, class, class>
  struct state {};
};
struct renamed_relu : relu {};
struct renamed_norm : batch_norm<> {};
}  // namespace

// A layer of one's own is never taken for the library's and fused.
static_assert(activation_layer<renamed_relu> && norm_layer<renamed_norm> && activation_layer<identity>);
static_assert(!activation_layer<own_relu> && !norm_layer<own_norm> && !norm_layer<counted>);

}  // namespace sequential_test
