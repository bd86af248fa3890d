#include <advprop/attacks/pgd.hpp>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/gradient_descent.hpp>
#include <advprop/attacks/momentum.hpp>
#include <advprop/attacks/objective.hpp>

namespace pgd_test {

using namespace harness;

namespace {
using two = small_model<domains<2>>;

template <class Attack>
tensor<float, 4> attacked(two& m, const Attack& a, const tensor<float, 4>& x, std::uint64_t seed = 3) {
  tensor<float, 4> z = x;
  const auto y = labels(x.extent(0));
  random_stream rng(seed);
  perturb(m, a, z.view(), y.view(), rng);
  return z;
}
}  // namespace

TEST_CASE("paper gives epsilon + 1 steps of one pixel, but a single one for epsilon 1") {
  for (int e : {2, 3, 4, 8}) {
    const auto p = attack::pgd::paper(e);
    CHECK(p.epsilon == static_cast<float>(e));
    CHECK(p.step == 1);
    CHECK(p.steps == e + 1);
    CHECK(p.start == attack::start::uniform);
    CHECK(p.source == statistics::running);
  }
  CHECK(attack::pgd::paper(1).steps == 1);
}

namespace {
/// Every pixel shall grow.
struct uphill {
  cpu* device;
  image_buffer<cpu> input_gradient(const device_images<cpu>& images, const auto&) {
    image_buffer<cpu> g(*device, images.extents());
    for (float& v : g) v = 1;
    return g;
  }
  image_buffer<cpu> copy(const device_images<cpu>& images) {
    image_buffer<cpu> c(*device, images.extents());
    copy_images(images, c);
    return c;
  }
  void least_likely(const device_images<cpu>&, label_view, const target_view&) {}
  int classes() { return 4; }
};
}  // namespace

TEST_CASE("A step that is not named reaches epsilon, in L-infinity by a pixel at least; one that is named stays") {
  cpu d(1);
  const auto moved = [&](const auto& a, bool length = false) {
    tensor<float, 4> x({1, 8, 8, 1});
    std::fill(x.begin(), x.end(), 0.25f);
    device_images<cpu> batch(d, x.view());
    uphill objective{&d};
    random_stream rng(1);
    a.perturb(objective, batch, labels(1).view(), rng);
    double squares = 0;
    for (float v : x) squares += std::pow((v - 0.25) * 255, 2);
    return std::sqrt(length ? squares : squares / 64);
  };
  for (const float e : {1.f, 4.f, 16.f, 40.f}) {
    CHECK(moved(attack::ifgsm{.epsilon = e}) == doctest::Approx(e).epsilon(1e-4));
    CHECK(moved(attack::momentum_ifgsm{.epsilon = e}) == doctest::Approx(e).epsilon(1e-4));
    CHECK(moved(attack::pgd{.epsilon = e, .steps = 3, .start = attack::start::image}) ==
          doctest::Approx(e).epsilon(1e-4));
    CHECK(moved(attack::pgd{.epsilon = 8 * e, .norm = attack::norm::l2, .start = attack::start::image}, true) ==
          doctest::Approx(8 * e).epsilon(1e-4));
  }
  CHECK(moved(attack::ifgsm{.epsilon = 16, .step = 1}) == doctest::Approx(5).epsilon(1e-4));
  CHECK(moved(attack::ifgsm{.epsilon = 4, .steps = 2}) == doctest::Approx(4).epsilon(1e-4));
  CHECK(attack::pgd{}.description() == attack::pgd{.step = 1}.description());
  CHECK(attack::pgd{.epsilon = 16}.description() != attack::pgd{.epsilon = 16, .step = 1}.description());
}

TEST_CASE("FGSM and I-FGSM are PGD from the clean image") {
  cpu d(1);
  two m(d);
  scramble(m);
  const auto x = images(5);
  CHECK(same_bits(attacked(m, attack::fgsm{.epsilon = 6}, x),
                  attacked(m, attack::pgd{.epsilon = 6, .step = 6, .steps = 1, .start = attack::start::image}, x)));
  CHECK(same_bits(attacked(m, attack::ifgsm{.epsilon = 6, .step = 2, .steps = 4}, x),
                  attacked(m, attack::pgd{.epsilon = 6, .step = 2, .steps = 4, .start = attack::start::image}, x)));
  CHECK(same_bits(attacked(m, attack::ifgsm{.epsilon = 6, .step = 6, .steps = 1}, x),
                  attacked(m, attack::fgsm{.epsilon = 6}, x)));
}

TEST_CASE("A uniform start fills the ball evenly; for L2 its direction and length are uniform") {
  cpu d(1);
  two m(d);
  tensor<float, 4> x({40, 8, 8, 1});
  std::fill(x.begin(), x.end(), 0.5f);
  const auto z = attacked(m, attack::pgd{.epsilon = 8, .steps = 0}, x);
  double sum = 0, squares = 0;
  for (float v : z) sum += (v - 0.5) * 255 / 8, squares += std::pow((v - 0.5) * 255 / 8, 2);
  CHECK(std::abs(sum / 2560) < 0.05);
  CHECK(squares / 2560 == doctest::Approx(1.0 / 3).epsilon(0.06));

  // A Euclidean length may be more than one pixel can change.
  CHECK_NOTHROW(attacked(m, attack::pgd{.epsilon = 765, .step = 300, .steps = 1, .norm = attack::norm::l2}, x));
  for (const float e : {-1.f, INFINITY, NAN})
    CHECK_THROWS_WITH_AS(attacked(m, attack::pgd{.epsilon = e, .norm = attack::norm::l2}, x),
                         doctest::Contains("must be 0 or more"), argument_error);
  CHECK_THROWS_WITH_AS(attacked(m, attack::pgd{.epsilon = 256}, x), doctest::Contains("must be in [0, 255]"),
                       argument_error);
  const auto two_norm = attacked(m, attack::pgd{.epsilon = 100, .steps = 0, .norm = attack::norm::l2}, x);
  double lengths = 0, longest = 0;
  for (int n = 0; n < 40; ++n) {
    double length = 0;
    for (int i = 0; i < 64; ++i) length += std::pow((double(two_norm.data()[n * 64 + i]) - 0.5) * 255 / 100, 2);
    lengths += std::sqrt(length) / 40;
    longest = std::max(longest, std::sqrt(length));
  }
  CHECK(longest <= 1 + 1e-5);
  CHECK(longest > 0.85);
  CHECK(lengths == doctest::Approx(0.5).epsilon(0.25));
}

TEST_CASE("clean_start is the probability of starting from the clean image") {
  cpu d(1);
  two m(d);
  const auto x = images(1);
  const auto share = [&](auto a, float probability) {
    a.steps = 0;
    a.clean_start = probability;
    int clean = 0;
    for (std::uint64_t s = 0; s < 400; ++s) clean += same_bits(attacked(m, a, x, s), x);
    return clean / 400.0;
  };
  CHECK(share(attack::pgd{}, 0) == 0);
  CHECK(share(attack::pgd{}, 1) == 1);
  CHECK(std::abs(share(attack::pgd{}, 0.3f) - 0.3) < 0.08);
  CHECK(share(attack::gradient_descent{}, 0) == 0);
  CHECK(share(attack::gradient_descent{}, 1) == 1);
  CHECK(std::abs(share(attack::gradient_descent{}, 0.3f) - 0.3) < 0.08);
}

TEST_CASE("An L2 step has the length that was asked for, along the gradient") {
  cpu d(1);
  two m(d);
  scramble(m);
  tensor<float, 4> x({3, 8, 8, 1});
  std::fill(x.begin(), x.end(), 0.5f);
  const auto y = labels(3);
  const auto z = attacked(
      m, attack::pgd{.epsilon = 100, .step = 20, .steps = 1, .norm = attack::norm::l2, .start = attack::start::image},
      x);
  objective<two> o(m, {});
  device_images<cpu> batch(d, x.view());
  const auto g = o.input_gradient(batch, y.view());
  for (int n = 0; n < 3; ++n) {
    double length = 0, along = 0, size = 0;
    for (int i = n * 64; i < n * 64 + 64; ++i) {
      const double s = double(z.data()[i]) - double(x.data()[i]);
      length += s * s, along += s * g.data()[i], size += double(g.data()[i]) * g.data()[i];
    }
    CHECK(std::sqrt(length) * 255 == doctest::Approx(20).epsilon(1e-4));
    CHECK(along / std::sqrt(length * size) == doctest::Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("Gradient descent does not project: it leaves the ball, by its steps at the most") {
  cpu d(1);
  two m(d);
  scramble(m);
  const auto x = images(5);
  const auto z = attacked(m, attack::gradient_descent{.epsilon = 1, .step = 1, .steps = 6}, x);
  double largest = 0;
  for (int i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(double(z.data()[i]) - x.data()[i]) * 255);
  CHECK(largest > 3);
  CHECK(largest <= 7.001);
}

TEST_CASE("Momentum I-FGSM without momentum is I-FGSM, and with it is not") {
  cpu d(1);
  two m(d);
  scramble(m);
  const auto x = images(5);
  const attack::ifgsm plain{.epsilon = 8, .step = 1.5f, .steps = 6};
  attack::momentum_ifgsm heavy{.epsilon = 8, .step = 1.5f, .steps = 6, .decay = 0};
  CHECK(same_bits(attacked(m, heavy, x), attacked(m, plain, x)));
  heavy.decay = 0.9f;
  CHECK(!same_bits(attacked(m, heavy, x), attacked(m, plain, x)));
}

}  // namespace pgd_test
