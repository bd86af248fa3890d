#include <advprop/layers/batch_norm.hpp>

#include "harness.hpp"

namespace batch_norm_test {

using namespace harness;

namespace {
using bare_norm = net<batch_norm<>>;
using relu_norm = net<convolution<5, 3>, batch_norm<>, relu>;
using silu_norm = net<convolution<5, 3>, batch_norm<>, silu>;
// A named activation is not fused: the same arithmetic in two sweeps.
using relu_apart = net<convolution<5, 3>, batch_norm<>, named<"1", relu>>;
using relu6_norm = net<convolution<5, 3>, batch_norm<>, relu6>;
using relu6_apart = net<convolution<5, 3>, batch_norm<>, named<"1", relu6>>;
using silu_apart = net<convolution<5, 3>, batch_norm<>, named<"1", silu>>;

struct sharp {
  static constexpr float epsilon = 0.5f, momentum = 0.25f;
};

/// y of one channel, in double, from the statistics of images [first, last) or from the running ones.
struct truth {
  double mean = 0, variance = 0;
  truth(const_image_view x, int channel, int first, int last) {
    const double count = double(last - first) * x.extent(1) * x.extent(2);
    const auto each = [&](auto f) {
      for (int n = first; n < last; ++n)
        for (int h = 0; h < x.extent(1); ++h)
          for (int w = 0; w < x.extent(2); ++w) f(double(x(n, h, w, channel)));
    };
    each([&](double v) { mean += v / count; });
    each([&](double v) { variance += (v - mean) * (v - mean) / count; });
  }
};

template <class Model>
std::span<float> tensor_of(Model& m, const std::string& name) {
  for (const parameter& p : m.table())
    if (p.name == name) return m[p];
  FAIL("no tensor " << name);
  return {};
}
}  // namespace

TEST_CASE("Each part is normalised by its own batch, scaled and shifted by its own domain") {
  cpu d(1);
  plain_net<3, batch_norm<>> m(d);
  scramble(m);
  const auto x = images(5, 4, 3, 3);
  const auto y = m.forward(x, pass::attack(routing{{main_domain, 3}, {auxiliary, 2}}, statistics::batch));
  for (int c = 0; c < 3; ++c)
    for (int part = 0; part < 2; ++part) {
      const truth t(x, c, part ? 3 : 0, part ? 5 : 3);
      const std::string level = part ? "0.aux_bn.0." : "0.";
      const auto channel = static_cast<std::size_t>(c);
      const double scale = tensor_of(m, level + "weight")[channel], shift = tensor_of(m, level + "bias")[channel];
      for (int n = part ? 3 : 0; n < (part ? 5 : 3); ++n)
        CHECK(at(y.view(), n, c, 1, 2) ==
              doctest::Approx((x(n, 1, 2, c) - t.mean) / std::sqrt(t.variance + 1e-5) * scale + shift).epsilon(1e-4));
    }
}

TEST_CASE(
    "Running statistics learn as PyTorch's: weight `momentum` of the new, variance unbiased; only in a pass that "
    "updates") {
  cpu d(1);
  plain_net<3, batch_norm<sharp>> m(d);
  scramble(m);
  const auto before = copy_of(m.running());
  const auto x = images(5, 4, 3, 3);
  const routing both{{main_domain, 3}, {auxiliary, 2}};
  m.forward(x, pass::attack(both, statistics::batch), wrt::both);
  m.forward(x, pass::attack(both), wrt::input);
  m.forward(x, pass::evaluate(auxiliary));
  CHECK(same_bits(m.running(), before));

  const std::vector<float> mean = copy_of(tensor_of(m, "0.running_mean")),
                           variance = copy_of(tensor_of(m, "0.aux_bn.0.running_var"));
  m.forward(x, pass::train(both));
  for (int c = 0; c < 3; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    CHECK(tensor_of(m, "0.running_mean")[channel] ==
          doctest::Approx(0.75 * mean[channel] + 0.25 * truth(x, c, 0, 3).mean));
    CHECK(tensor_of(m, "0.aux_bn.0.running_var")[channel] ==
          doctest::Approx(0.75 * variance[channel] + 0.25 * truth(x, c, 3, 5).variance * 24 / 23));
  }
  CHECK(m.batches_tracked(0) == 1);
  CHECK(m.batches_tracked(1) == 1);

  const auto updated = copy_of(m.running());
  const auto y = m.forward(x, pass::evaluate(auxiliary));
  const double mean1 = tensor_of(m, "0.aux_bn.0.running_mean")[1],
               variance1 = tensor_of(m, "0.aux_bn.0.running_var")[1];
  CHECK(at(y.view(), 4, 1, 2, 2) ==
        doctest::Approx((x(4, 2, 2, 1) - mean1) / std::sqrt(variance1 + 0.5) * tensor_of(m, "0.aux_bn.0.weight")[1] +
                        tensor_of(m, "0.aux_bn.0.bias")[1])
            .epsilon(1e-5));
  CHECK(same_bits(m.running(), updated));
}

TEST_CASE("Neighbouring parts of one domain are one batch") {
  cpu d(1);
  bare_norm m(d);
  scramble(m);
  const auto x = images(5, 4, 3, 3);
  const auto whole = numbers_of(m.forward(x, pass::attack(auxiliary, statistics::batch)));
  const auto parts = numbers_of(m.forward(x, pass::attack(routing{{auxiliary, 2}, {auxiliary, 3}}, statistics::batch)));
  CHECK(whole == parts);
}

TEST_CASE("Batch norm and its gradients, with batch and with running statistics") {
  cpu d(1);
  net<convolution<5, 3>, batch_norm<>> behind(d);
  bare_norm alone(d);
  scramble(behind);
  scramble(alone);
  auto x = images(5, 4, 4, 3);
  for (const pass& p : passes(5)) {
    check_gradients(alone, x, p);
    check_gradients(behind, x, p);
  }
}

TEST_CASE("Batch norm fused with silu and its gradients") {
  cpu d(1);
  silu_norm m(d);
  scramble(m);
  auto x = images(5, 4, 4, 3);
  for (const pass& p : passes(5)) check_gradients(m, x, p);
}

TEST_CASE("Batch norm fused with an activation equals the two layers apart") {
  const auto compare = [](auto& fused, auto& apart, float factor = 1) {
    scramble(fused);
    scramble(apart);
    for (float& v : fused.values()) v *= factor;
    for (float& v : apart.values()) v *= factor;
    const auto x = images(5, 4, 4, 3);
    for (const pass& p : passes(5)) {
      CHECK(difference(numbers_of(fused.forward(x, p)), numbers_of(apart.forward(x, p))) < 1e-6);
      const auto a = differentiate<wrt::both>(fused, x, p), b = differentiate<wrt::both>(apart, x, p);
      CHECK(difference(a.parameters, b.parameters) < 1e-5);
      CHECK(difference({a.images.data(), 240}, {b.images.data(), 240}) < 1e-5);
      const auto i = differentiate<wrt::input>(fused, x, p);
      CHECK(difference({i.images.data(), 240}, {b.images.data(), 240}) < 1e-5);
    }
  };
  cpu d(1);
  relu_norm relu_one(d);
  relu_apart relu_two(d);
  compare(relu_one, relu_two);
  relu6_norm relu6_one(d);
  relu6_apart relu6_two(d);
  compare(relu6_one, relu6_two, 10);  // some results lie beyond 6
  silu_norm silu_one(d);
  silu_apart silu_two(d);
  compare(silu_one, silu_two);
  CHECK(names(relu_one) == names(relu_two));
}

TEST_CASE("One value per channel has no batch statistics, and the error names the domain") {
  cpu d(1);
  bare_norm m(d);
  const auto x = images(3, 1, 1, 3);
  CHECK_THROWS_WITH_AS(m.forward(x, pass::train(routing{{main_domain, 2}, {auxiliary, 1}})),
                       "batch_norm: batch statistics need at least 2 values per channel, domain 1 has 1",
                       argument_error);
  CHECK_NOTHROW(m.forward(x, pass::evaluate(routing{{main_domain, 2}, {auxiliary, 1}})));
  CHECK_NOTHROW(m.forward(x.view().slice(0, 2), pass::train(main_domain)));
}

}  // namespace batch_norm_test
