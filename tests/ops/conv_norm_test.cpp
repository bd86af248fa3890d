#include <advprop/ops/cpu.hpp>

#include "conv_problems.hpp"

namespace conv_norm_test {

using namespace convolution_problems;

namespace {

// A norm's numbers, random.
struct norm_numbers {
  std::vector<float> mean, variance, scale, shift;
  norm_numbers(int channels, random_stream& r) {
    for (int c = 0; c < channels; ++c) {
      mean.push_back(r.uniform(-2, 2));
      variance.push_back(r.uniform(0.1f, 9));
      scale.push_back(r.uniform(-2, 2));
      shift.push_back(r.uniform(-1, 1));
    }
  }
  norm_parameters parameters() const { return {mean.data(), variance.data(), scale.data(), shift.data(), 1e-5f}; }
};

std::vector<double> wide(const std::vector<float>& v) { return {v.begin(), v.end()}; }

const convolution_policy policies[] = {convolution_policy::fastest, convolution_policy::winograd_2,
                                       convolution_policy::direct, convolution_policy::gemm};

}  // namespace

TEST_EACH_SET("a convolution with its norm, activation and add is the three operations after one another") {
  std::uint64_t stream = 0;
  for (const problem& p : cases) {
    reference r(p, random_stream(20, ++stream));
    random_stream more(21, stream);
    const norm_numbers numbers(p.s.out, more);
    map added(p.batch, r.dy.s), z(p.batch, r.dy.s), want(p.batch, r.dy.s), y(p.batch, r.dy.s);
    added.randomize(more);
    for (const activation a : {activation::identity, activation::relu, activation::relu6, activation::silu})
      for (const bool with_add : {false, true})
        for (const convolution_policy policy : policies) {
          INFO(p.text(), "activation ", static_cast<int>(a), " add ", with_add, " policy ", static_cast<int>(policy));
          cpu d(2, tested), exact(1, tested);
          d.convolutions(policy);
          exact.convolutions(convolution_policy::direct);
          const feature_view<const float> add = with_add ? added.view() : feature_view<float>();
          conv_forward(exact, p.s, r.x.view(), r.w.data(), z.view());
          norm_forward(exact, activation::identity, z.view(), numbers.parameters(), add, want.view());
          const double largest =
              std::abs(*std::ranges::max_element(want.values, {}, [](float v) { return std::abs(v); }));
          norm_forward(exact, a, z.view(), numbers.parameters(), add, want.view());
          y.poison();
          conv_norm_forward(d, p.s, r.x.view(), r.w.data(), a, numbers.parameters(), add, y.view());
          // Relative to what the activation is given: ReLU6 leaves less.
          CHECK(difference(y.values, wide(want.values), largest) < 1e-5);
          CHECK(d.memory().in_use() == 0);
        }
  }
}

TEST_EACH_SET("the gradient through a convolution and its norm is that of the two operations, at any threads") {
  std::uint64_t stream = 0;
  for (const problem& p : cases) {
    reference r(p, random_stream(22, ++stream));
    random_stream more(23, stream);
    const norm_numbers numbers(p.s.out, more);
    map y(p.batch, r.dy.s), g(p.batch, r.dy.s), want(p.batch, r.x.s), dx(p.batch, r.x.s), dx3(p.batch, r.x.s);
    y.randomize(more);
    for (float& v : y.values) v = v < 0 ? 0.f : 8 * v;  // cut at 0 and at 6
    for (const activation a : {activation::identity, activation::relu, activation::relu6})
      for (const convolution_policy policy : policies) {
        INFO(p.text(), "activation ", static_cast<int>(a), " policy ", static_cast<int>(policy));
        cpu d(1, tested), three(3, tested), exact(1, tested);
        d.convolutions(policy), three.convolutions(policy);
        exact.convolutions(convolution_policy::direct);
        const feature_view<const float> result = a == activation::identity ? feature_view<float>() : y.view();
        norm_backward(exact, a, statistics::running, {}, result, r.dy.view(), {}, numbers.parameters(), g.view(), {},
                      nullptr, nullptr);
        conv_backward_input(exact, p.s, g.view(), r.w.data(), want.view());
        dx.poison();
        conv_norm_backward_input(d, p.s, a, result, r.dy.view(), r.w.data(), numbers.parameters(), dx.view());
        CHECK(difference(dx.values, wide(want.values)) < 1e-5);
        conv_norm_backward_input(three, p.s, a, result, r.dy.view(), r.w.data(), numbers.parameters(), dx3.view());
        CHECK(same(dx.values, dx3.values));
        // With something to add, also to the convolution alone.
        dx.poison();
        conv_norm_backward_input(d, p.s, a, result, r.dy.view(), r.w.data(), numbers.parameters(), dx.view(),
                                 r.x.view());
        add(exact, r.x.view(), want.view());
        CHECK(difference(dx.values, wide(want.values)) < 1e-5);
        dx3.poison();
        conv_backward_input(three, p.s, g.view(), r.w.data(), dx3.view(), r.x.view());
        CHECK(difference(dx3.values, wide(want.values)) < 1e-5);
        CHECK(d.memory().in_use() == 0);
      }
  }
}

TEST_EACH_SET("a NaN that a convolution makes stays one behind its norm and activation") {
  for (const int extent : {4, 9}) {
    reference r({{16, 16, 3, 1, 1, 1}, 1, extent, extent}, random_stream(24));
    random_stream more(25);
    const norm_numbers numbers(16, more);
    r.x.at(0, 3, 1, 1) = std::nanf("");
    map y(1, r.dy.s);
    for (const convolution_policy policy : policies)
      for (const activation a : {activation::identity, activation::relu, activation::relu6, activation::silu}) {
        cpu d(1, tested);
        d.convolutions(policy);
        conv_norm_forward(d, r.p.s, r.x.view(), r.w.data(), a, numbers.parameters(), {}, y.view());
        CHECK(std::isnan(y.at(0, 5, 1, 1)));
      }
  }
}

}  // namespace conv_norm_test
