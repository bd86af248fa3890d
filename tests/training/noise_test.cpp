// Dropout and stochastic depth through the training methods.
#include <advprop/training/methods.hpp>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/training/evaluate.hpp>

namespace noise_test {

using namespace harness;

namespace {

struct third {
  static constexpr float value = 0.3f;
};
struct branch
    : residual<sequential<convolution<6, 3>, batch_norm<>, relu, convolution<6, 1>, batch_norm<>, stochastic_depth>> {};
struct noisy : architecture<normalize<mnist_statistics>, named<"conv1", convolution<6, 3, 2>>, batch_norm<>, relu,
                            dropout<third>, block_counter, repeat<3, branch>, global_average_pool, dropout<third>,
                            named<"fc", linear<4>>> {
  static constexpr float drop_path = 0.7f;
};
using triple = model<noisy, three, cpu>;

struct batch {
  tensor<float, 4> x;
  tensor<int, 1> y;
  explicit batch(int count, std::uint64_t seed = 1) : x(images(count, 8, 1, seed)), y(labels(count, 4, seed)) {}
  operator labelled_images() const { return {x.view(), y.view()}; }
};

/// Does nothing, with dropout on, and tells what it saw.
struct watcher {
  bool dropped = true;
  std::vector<float>* gradient;
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    *gradient = copy_of(objective.input_gradient(images, labels));
  }
};

template <class Model, class Method>
std::vector<float> gradients(Model& m, const Method& method, std::vector<labelled_images> streams, std::uint64_t s) {
  m.zero_gradients();
  method.gradients(m, streams, {.rng = random_stream(s)});
  return copy_of(m.gradients());
}

}  // namespace

TEST_CASE("Concatenated and sequential execution agree with dropout and stochastic depth, matched or not") {
  cpu d(1);
  const batch a(7), b(3, 9);
  const auto of = [&](execution how, bool matched, bool dropped) {
    triple m(d, seed{3});
    adversarial_propagation method{attack::ifgsm{.dropped = dropped}, attack::none{}};
    method.auxiliary = {auxiliary_options{0.7f, 0}, auxiliary_options{1.3f, 1}};
    method.matched_noise = matched;
    method.execution = how;
    return gradients(m, method, {a, b}, 5);
  };
  for (bool dropped : {false, true}) {
    for (bool matched : {false, true})
      CHECK(distance(of(execution::sequential, matched, dropped), of(execution::concatenated, matched, dropped)) <
            1e-5);
    CHECK(distance(of(execution::sequential, false, dropped), of(execution::concatenated, true, dropped)) > 1e-2);
  }
  CHECK(distance(of(execution::sequential, false, false), of(execution::sequential, false, true)) > 1e-3);
}

TEST_CASE("Matched noise: an unchanged image has the same loss in every part; otherwise it has not") {
  cpu d(1);
  triple m(d, seed{3});
  const batch a(7);
  const auto losses = [&](const auto& method) {
    const labelled_images streams[] = {a};
    const step_metrics s = method.gradients(m, streams, {.rng = random_stream(4)});
    return std::pair(s.parts[0].loss(), s.parts[1].loss());
  };
  adversarial_propagation propagation{attack::none{}};
  adversarial_training mixture{attack::none{}};
  for (execution how : {execution::sequential, execution::concatenated}) {
    propagation.execution = how;
    propagation.matched_noise = false;
    const auto [clean, other] = losses(propagation);
    CHECK(std::abs(clean - other) > 1e-3);
    propagation.matched_noise = true;
    const auto [same, too] = losses(propagation);
    CHECK(same == doctest::Approx(too).epsilon(1e-6));
    CHECK(same == doctest::Approx(clean).epsilon(1e-6));
  }
  const auto [clean, other] = losses(mixture);
  CHECK(std::abs(clean - other) > 1e-3);
  mixture.matched_noise = true;
  const auto [same, too] = losses(mixture);
  CHECK(same == doctest::Approx(too).epsilon(1e-6));
}

TEST_CASE("An attack with dropout on sees the masks that its part will be trained with; others see none") {
  cpu d(1);
  triple m(d, seed{3});
  scramble(m);
  const batch a(5);
  const labelled_images streams[] = {a};
  const auto through = [&](domain dom, const layer_noise& noise, bool drop) {
    objective<triple> o(m, {.through = dom, .drop = drop, .noise = noise});
    tensor<float, 4> x = a.x;
    return copy_of(o.input_gradient({d, x.view()}, a.y.view()));
  };
  const step_options options{.rng = random_stream(6)};
  std::vector<float> seen, second;
  for (bool matched : {false, true}) {
    for (execution how : {execution::sequential, execution::concatenated}) {
      adversarial_propagation method{watcher{true, &seen}, watcher{true, &second}};
      method.matched_noise = matched;
      method.execution = how;
      method.gradients(m, streams, options);
      scramble(m);  // the statistics as they were
      CHECK(seen == through(three::auxiliary(0), options.noise(1, matched), true));
      CHECK(second == through(three::auxiliary(1), options.noise(2, matched), true));
    }
    for (bool mixture : {false, true}) {
      adversarial_training method{watcher{true, &seen}};
      method.mixture = mixture;
      method.matched_noise = matched;
      method.gradients(m, streams, options);
      scramble(m);
      CHECK(seen == through(main_domain, options.noise(mixture ? 1 : 0, matched), true));
    }
  }
  CHECK(options.noise(1, false).of(1).stream() == options.noise(2, false).of(0).stream());
  CHECK(through(main_domain, options.noise(0, false), true) != through(main_domain, options.noise(1, false), true));
  CHECK(through(main_domain, options.noise(0, true), true) == through(main_domain, options.noise(1, true), true));

  adversarial_training off{watcher{false, &seen}};
  off.gradients(m, streams, options);
  scramble(m);
  CHECK(seen == through(main_domain, {}, false));
  CHECK(seen != through(main_domain, {}, true));
}

TEST_CASE("The noise of a step is another one in the next step, and the same again in a repeated one") {
  cpu d(1);
  triple m(d, seed{3});
  const batch a(5);
  const auto first = gradients(m, clean_training{}, {a}, 1);
  CHECK(gradients(m, clean_training{}, {a}, 1) == first);
  CHECK(distance(gradients(m, clean_training{}, {a}, 2), first) > 1e-2);
}

TEST_CASE("The same bits on one thread and on two, with every kind of noise") {
  cpu one(1), two(2);
  triple m(one, seed{3}), n(two, seed{3});
  const batch a(7);
  adversarial_propagation method{attack::pgd{.dropped = true}, attack::none{}};
  CHECK(gradients(m, method, {a}, 5) == gradients(n, method, {a}, 5));
}

}  // namespace noise_test
