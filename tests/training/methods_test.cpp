#include <advprop/training/methods.hpp>

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

#include "../models/harness.hpp"
#include "../thread_sanitizer.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/momentum.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/training/optimizers.hpp>

#ifndef ADVPROP_THREAD_SANITIZER
namespace {
std::atomic<long> requests = 0;
std::atomic<std::size_t> largest = 0;
}  // namespace
// Watches what this whole program asks the system for.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++requests;
  if (size > largest) largest = size;
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
// The library's sorts ask this way; without it the sanitizer's own would be mixed with our delete.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++requests;
  if (size > largest) largest = size;
  return std::malloc(size ? size : 1);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace methods_test {

using namespace harness;

namespace {

using one = small_model<domains<1>>;
using two = small_model<domains<2>>;
using triple = small_model<three>;

const attack::ifgsm climb{.epsilon = 8, .step = 3, .steps = 3};  // nothing random in it
const attack::fgsm jump{.epsilon = 4};

struct data {
  tensor<float, 4> x;
  tensor<int, 1> y;
  explicit data(int count, std::uint64_t seed = 1) : x(images(count, 8, 1, seed)), y(labels(count, 4, seed)) {}
  operator labelled_images() const { return {x.view(), y.view()}; }
};

template <class Model, class Method>
step_metrics gradients(Model& m, const Method& method, std::vector<labelled_images> streams,
                       const step_options& options = {}) {
  m.zero_gradients();
  return method.gradients(m, streams, options);
}
template <class Model>
std::vector<float> by_hand(Model& m, const labelled_images& batch, const routing& r) {
  step_metrics metrics;
  m.zero_gradients();
  accumulate_gradients(m, batch, r, {}, metrics, 0);
  return copy_of(m.gradients());
}
template <class Model, class Attack>
data attacked(Model& m, const Attack& a, const data& d, domain through) {
  data e = d;
  random_stream rng;
  perturb(m, a, e.x.view(), e.y.view(), rng, through);
  return e;
}
std::vector<float> sum(std::initializer_list<std::pair<float, std::vector<float>>> terms) {
  std::vector<float> s(terms.begin()->second.size());
  for (const auto& [w, v] : terms)
    for (std::size_t i = 0; i < s.size(); ++i) s[i] += w * v[i];
  return s;
}

}  // namespace

static_assert(training_method<clean_training, two> && training_method<adversarial_training<attack::pgd>, two> &&
              training_method<adversarial_propagation<attack::pgd>, two> && !training_method<int, two>);

TEST_CASE("Clean training is one pass through the main domain") {
  cpu d(1);
  triple m(d, seed{3}), n(d, seed{3});
  const data a(6);
  const auto metrics = gradients(m, clean_training{}, {a});
  const auto expected = by_hand(n, a, main_domain);
  CHECK(same_bits(m.gradients(), expected));
  CHECK(same_bits(m.running(), n.running()));
  CHECK(metrics.count == 1);
  CHECK(metrics.parts[0].images == 6);
  CHECK((m.batches_tracked(0) == 1 && m.batches_tracked(1) == 0));
}

TEST_CASE("Clean training of several domains ends in the same bits as ordinary batch norm") {
  cpu d(1);
  one m(d, seed{3});
  triple n(d, seed{3});
  const sgd o{.learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 1e-3f, .nesterov = true};
  sgd::state<one> a(o, m);
  sgd::state<triple> b(o, n);
  for (std::uint64_t i = 0; i < 4; ++i) {
    gradients(m, clean_training{}, {data(6, i)});
    gradients(n, clean_training{}, {data(6, i)});
    a.step();
    b.step();
  }
  for (const parameter& p : m.table()) CHECK(same_bits(m[p], tensor_of(n, p.name)));
}

TEST_CASE("Adversarial training puts clean and adversarial images through one batch of the main batch norm") {
  cpu d(1);
  two m(d, seed{3}), n(d, seed{3});
  scramble(m);
  scramble(n);
  const data a(5);
  adversarial_training method{climb};
  method.clean_weight = 0.5f;
  method.adversarial_weight = 2;
  const auto metrics = gradients(m, method, {a});
  const data b = attacked(n, climb, a, main_domain);
  CHECK(!same_bits(a.x, b.x));
  data both(10);
  std::copy(a.x.begin(), a.x.end(), both.x.begin());
  std::copy(b.x.begin(), b.x.end(), both.x.begin() + 5 * 64);
  for (int i = 0; i < 10; ++i) both.y(i) = a.y(i % 5);
  CHECK(same_bits(m.gradients(), by_hand(n, both, {{main_domain, 5, 0.5f}, {main_domain, 5, 2}})));
  CHECK(same_bits(m.running(), n.running()));
  CHECK(m.batches_tracked(0) == 1);
  CHECK(metrics.count == 2);
  CHECK((metrics.parts[0].images == 5 && metrics.parts[1].images == 5));
  CHECK((method.part_name(0) == "clean" && method.part_name(1) == "adversarial" && method.parts() == 2));
}

TEST_CASE("Adversarial training without the mixture sees adversarial images only") {
  cpu d(1);
  one m(d, seed{3}), n(d, seed{3});
  scramble(m);
  scramble(n);
  const data a(5);
  adversarial_training method{climb};
  method.mixture = false;
  const auto metrics = gradients(m, method, {a});
  CHECK(same_bits(m.gradients(), by_hand(n, attacked(n, climb, a, main_domain), main_domain)));
  CHECK(metrics.count == 1);
  CHECK((method.parts() == 1 && method.part_name(0) == "adversarial"));
}

TEST_CASE(
    "AdvProp's gradient is the weighted sum of the clean loss and each auxiliary domain's, attacks and streams of its "
    "own") {
  cpu d(1);
  const data a(6), b(3, 9);
  for (execution how : {execution::sequential, execution::concatenated}) {
    triple m(d, seed{3}), n(d, seed{3});
    scramble(m);
    scramble(n);
    adversarial_propagation method{climb, jump};
    method.execution = how;
    method.clean_weight = 0.5f;
    method.auxiliary = {auxiliary_options{2, 0}, auxiliary_options{3, 1}};
    const auto metrics = gradients(m, method, {a, b});
    const data first = attacked(n, climb, a, three::auxiliary(0)), second = attacked(n, jump, b, three::auxiliary(1));
    const auto expected = sum({{0.5f, by_hand(n, a, main_domain)},
                               {2.f, by_hand(n, first, three::auxiliary(0))},
                               {3.f, by_hand(n, second, three::auxiliary(1))}});
    CHECK(distance(m.gradients(), expected) < 1e-5);
    CHECK(distance(m.running(), n.running()) < 1e-6);
    for (int i = 0; i < 3; ++i) CHECK(m.batches_tracked(i) == 1);
    CHECK(metrics.count == 3);
    CHECK((metrics.parts[0].images == 6 && metrics.parts[1].images == 6 && metrics.parts[2].images == 3));
    CHECK((method.parts() == 3 && method.streams() == 2 && method.part_name(2) == "auxiliary 1"));
    CHECK(adversarial_propagation{climb}.part_name(1) == "adversarial");
  }
}

TEST_CASE("A domain may take a share of the images, and decoupled they leave the clean pass") {
  cpu d(1);
  const data all(10), other(4, 9);
  const auto first_of = [](const data& from, int first, int count) {
    data part(count);
    std::copy_n(from.x.data() + first * from.x.view().stride(), part.x.size(), part.x.data());
    std::copy_n(from.y.data() + first, count, part.y.data());
    return part;
  };
  for (execution how : {execution::sequential, execution::concatenated})
    for (const bool decoupled : {false, true}) {
      INFO("decoupled ", decoupled);
      triple m(d, seed{3}), n(d, seed{3});
      scramble(m);
      scramble(n);
      adversarial_propagation method{climb, jump};
      method.execution = how;
      method.decoupled = decoupled;
      method.auxiliary = {auxiliary_options{.share = 0.26f}, auxiliary_options{.weight = 2, .share = 0.2f}};
      const auto metrics = gradients(m, method, {all});
      const data climbed = attacked(n, climb, first_of(all, 0, 3), three::auxiliary(0)),
                 jumped = attacked(n, jump, first_of(all, decoupled ? 3 : 0, 2), three::auxiliary(1)),
                 clean = decoupled ? first_of(all, 5, 5) : all;
      CHECK(distance(m.gradients(), sum({{1.f, by_hand(n, clean, main_domain)},
                                         {1.f, by_hand(n, climbed, three::auxiliary(0))},
                                         {2.f, by_hand(n, jumped, three::auxiliary(1))}})) < 1e-5);
      CHECK(distance(m.running(), n.running()) < 1e-6);
      CHECK((metrics.parts[0].images == (decoupled ? 5 : 10) && metrics.parts[1].images == 3 &&
             metrics.parts[2].images == 2));
    }
  // Images of another stream are nobody's clean ones.
  two m(d, seed{3}), n(d, seed{3});
  adversarial_propagation method{climb};
  method.decoupled = true;
  method.auxiliary[0] = {.stream = 1, .share = 0.01f};  // one image at least
  const auto metrics = gradients(m, method, {all, other});
  CHECK((metrics.parts[0].images == 10 && metrics.parts[1].images == 1));

  for (const float share : {0.f, -1.f, 1.5f, NAN}) {
    method.auxiliary[0].share = share;
    CHECK_THROWS_WITH_AS(gradients(m, method, {all, other}), doctest::Contains("must be in (0, 1]"), argument_error);
  }
  method.auxiliary[0] = {.share = 0.95f};
  CHECK_THROWS_WITH_AS(gradients(m, method, {all}), doctest::Contains("leave none of 10 images for the clean pass"),
                       argument_error);
}

TEST_CASE("Concatenated and sequential execution agree: losses, adversarial images and gradients, part by part") {
  cpu d(1);
  triple m(d, seed{3}), n(d, seed{3});
  const data a(7), b(2, 9);
  adversarial_propagation method{
      attack::pgd{.epsilon = 6, .step = 2, .steps = 3, .clean_start = 0.3f, .goal = attack::goal::random_class},
      attack::none{}};
  method.auxiliary = {auxiliary_options{0.7f, 0}, auxiliary_options{1.3f, 1}};
  for (std::uint64_t s = 0; s < 3; ++s) {
    method.execution = execution::sequential;
    const auto one_by_one = gradients(m, method, {a, b}, {.label_smoothing = 0.1f, .rng = random_stream(s)});
    method.execution = execution::concatenated;
    const auto together = gradients(n, method, {a, b}, {.label_smoothing = 0.1f, .rng = random_stream(s)});
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(together.parts[i].loss() == doctest::Approx(one_by_one.parts[i].loss()).epsilon(1e-5));
      CHECK(together.parts[i].correct == one_by_one.parts[i].correct);
    }
    for (const parameter& p : m.table())
      if (p.role != role::mean && p.role != role::variance) {
        INFO(p.name);
        CHECK(distance(m.gradient(p), n.gradient(p)) < 1e-5);
      }
  }
}

TEST_CASE("Attacks come before the training passes, where domains share statistics, too") {
  cpu d(1);
  using sharing = small_model<domains<3, share::statistics>>;
  sharing m(d, seed{3}), n(d, seed{3});
  scramble(m);
  scramble(n);
  const data a(7);
  adversarial_propagation method{climb, jump}, together = method;
  together.execution = execution::concatenated;
  const auto one_by_one = gradients(m, method, {a}), at_once = gradients(n, together, {a});
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(one_by_one.parts[i].loss() == doctest::Approx(at_once.parts[i].loss()).epsilon(1e-5));
  CHECK(distance(m.gradients(), n.gradients()) < 1e-5);
}

TEST_CASE("An auxiliary domain without an attack sees its own stream as it is") {
  cpu d(1);
  two m(d, seed{3}), n(d, seed{3});
  const data a(6), b(4, 9);
  adversarial_propagation method{attack::none{}};
  method.auxiliary[0].stream = 1;
  gradients(m, method, {a, b});
  CHECK(distance(m.gradients(),
                 sum({{1.f, by_hand(n, a, main_domain)}, {1.f, by_hand(n, b, domains<2>::auxiliary(0))}})) < 1e-5);
}

TEST_CASE("The attack's randomness follows from the step's, and each auxiliary domain has its own") {
  cpu d(1);
  const data a(6);
  const auto losses = [&](std::uint64_t s) {
    triple m(d, seed{3});
    const auto metrics = gradients(m, adversarial_propagation{attack::pgd{.epsilon = 30}, attack::pgd{.epsilon = 30}},
                                   {a}, {.rng = random_stream(s)});
    return std::pair(metrics.parts[1].loss(), metrics.parts[2].loss());
  };
  CHECK(losses(1) == losses(1));
  CHECK(losses(1) != losses(2));
  CHECK(losses(1).first != losses(1).second);
}

TEST_CASE("Streams that are not there, and images that do not fit together, are refused") {
  cpu d(1);
  two m(d);
  const data a(4);
  adversarial_propagation method{jump};
  method.auxiliary[0].stream = 1;
  CHECK_THROWS_WITH_AS(gradients(m, method, {a}), "adversarial_propagation: data stream 1 of 1", argument_error);
  method.auxiliary[0].stream = -1;
  CHECK_THROWS_AS(gradients(m, method, {a}), argument_error);
  method.auxiliary[0].stream = 1;
  const auto large = images(4, 12);
  for (execution how : {execution::sequential, execution::concatenated}) {
    method.execution = how;
    const auto few = labels(3);
    CHECK_THROWS_WITH_AS(gradients(m, method, {a, {a.x.view(), few.view()}}), "step: 4 images but 3 labels",
                         argument_error);
  }
  CHECK_THROWS_WITH_AS(gradients(m, method, {a, {large.view(), a.y.view()}}),
                       "step: images of 12x12x1 among images of 8x8x1", argument_error);
}

TEST_CASE("Weights of losses that are negative or no numbers are refused, and zero is not") {
  cpu d(1);
  two m(d);
  const data a(4);
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const float bad : {-1.f, nan, inf}) {
    adversarial_propagation method{jump};
    method.clean_weight = bad;
    CHECK_THROWS_WITH_AS(gradients(m, method, {a}), doctest::Contains("adversarial_propagation: clean_weight is "),
                         argument_error);
    method.clean_weight = 0;
    CHECK_NOTHROW(gradients(m, method, {a}));
    method.auxiliary[0].weight = bad;
    CHECK_THROWS_WITH_AS(gradients(m, method, {a}), doctest::Contains("an auxiliary domain's weight is "),
                         argument_error);
    adversarial_training mixture{jump};
    mixture.adversarial_weight = bad;
    CHECK_THROWS_WITH_AS(gradients(m, mixture, {a}), doctest::Contains("adversarial_training: adversarial_weight is "),
                         argument_error);
  }
}

TEST_CASE("The same bits on one thread and on two, over several steps") {
  cpu a(1), b(2);
  triple m(a, seed{3}), n(b, seed{3});
  const sgd o{.learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 1e-3f, .clip_norm = 1};
  sgd::state<triple> sm(o, m), sn(o, n);
  for (execution how : {execution::sequential, execution::concatenated})
    for (std::uint64_t i = 0; i < 3; ++i) {
      adversarial_propagation method{attack::pgd{}, attack::pgd{.epsilon = 50, .step = 10, .norm = attack::norm::l2}};
      method.execution = how;
      const data batch(7, i);
      const auto x = gradients(m, method, {batch}, {.rng = random_stream(i)}),
                 y = gradients(n, method, {batch}, {.rng = random_stream(i)});
      CHECK(x.parts[2].loss_sum == y.parts[2].loss_sum);
      sm.step();
      sn.step();
      CHECK(snapshot(m) == snapshot(n));
      CHECK(same_bits(sm.slot(0), sn.slot(0)));
    }
}

#ifndef ADVPROP_THREAD_SANITIZER
TEST_CASE(
    "After the first step, a step asks the system for nothing; with an attack, for one number per image at the most") {
  cpu d(1);
  triple m(d);
  sgd::state<triple> optimizer({}, m);
  const data a(16), b(8, 2);
  const std::vector<labelled_images> streams{a, b};
  adversarial_propagation propagation{attack::pgd{.goal = attack::goal::random_class}, attack::momentum_ifgsm{}};
  propagation.auxiliary[1].stream = 1;
  adversarial_propagation euclidean{
      attack::pgd{.epsilon = 60, .norm = attack::norm::l2, .goal = attack::goal::least_likely}};
  adversarial_propagation together = propagation;
  together.execution = execution::concatenated;
  const auto check = [&](const char* name, const auto& method, std::size_t images) {
    INFO(name);
    const auto step = [&](std::uint64_t i) {
      m.zero_gradients();
      method.gradients(m, streams, {.rng = random_stream(i)});
      optimizer.step();
    };
    step(0);
    const std::size_t slabs = d.memory().slabs(), used = d.memory().in_use();
    const long before = requests;
    largest = 0;
    for (std::uint64_t i = 1; i < 4; ++i) step(i);
    const std::size_t most = largest;
    if (images == 0) CHECK(requests == before);
    CHECK(most <= images * sizeof(float));
    CHECK(d.memory().slabs() == slabs);
    CHECK(d.memory().in_use() == used);
  };
  check("clean", clean_training{}, 0);
  check("adversarial", adversarial_training{attack::pgd{}}, 32);
  check("sequential", propagation, 16);
  check("concatenated", together, 40);
  check("l2", euclidean, 16);
}
#endif

}  // namespace methods_test
