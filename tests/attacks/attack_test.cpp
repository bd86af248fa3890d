#include <advprop/attacks/attack.hpp>

#include <array>
#include <map>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/gradient_descent.hpp>
#include <advprop/attacks/momentum.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/objective.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/attacks/strongest.hpp>

namespace attack_test {

using namespace harness;

namespace {

using two = small_model<domains<2>>;
constexpr domain auxiliary = domains<2>::auxiliary(0);

/// A user's own attack: nothing but this.
struct one_step {
  float epsilon = 4;
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    const auto gradient = objective.input_gradient(images, labels);
    transform(images, gradient,
              [e = epsilon / 255] ADVPROP_HD(float x, float g) { return clamp(x + e * sign(g), 0.f, 1.f); });
  }
};
static_assert(attack_policy<one_step>);

struct no_perturb {
  float epsilon = 4;
};
struct wrong_result {
  int perturb(auto&, auto&, const auto&, random_stream&) const { return 0; }
};
struct changes_itself {
  void perturb(auto&, auto&, const auto&, random_stream&) {}
};
static_assert(!attack_policy<no_perturb> && !attack_policy<wrong_result> && !attack_policy<changes_itself> &&
              !attack_policy<int>);

struct halves {
  static constexpr std::array<float, 12> mean{0.1f}, deviation = [] {
    std::array<float, 12> s{};
    s.fill(0.5f);
    return s;
  }();
};

/// f(name, attack, how far an L-infinity attack may go in pixels or 0).
template <class F>
void each_attack(F f) {
  f("fgsm", attack::fgsm{.epsilon = 8}, 8.f);
  f("fgsm, random class", attack::fgsm{.epsilon = 8, .goal = attack::goal::random_class}, 8.f);
  f("ifgsm", attack::ifgsm{.epsilon = 4, .step = 1.5f, .steps = 5}, 4.f);
  f("ifgsm, least likely, batch statistics",
    attack::ifgsm{.epsilon = 4, .step = 2, .steps = 3, .goal = attack::goal::least_likely, .source = statistics::batch},
    4.f);
  f("pgd", attack::pgd{.epsilon = 3, .step = 1, .steps = 6}, 3.f);
  f("pgd, random class, batch statistics",
    attack::pgd{.epsilon = 3,
                .step = 1,
                .steps = 4,
                .clean_start = 0.5f,
                .goal = attack::goal::random_class,
                .source = statistics::batch},
    3.f);
  f("pgd, l2", attack::pgd{.epsilon = 100, .step = 30, .steps = 5, .norm = attack::norm::l2}, 0.f);
  f("momentum", attack::momentum_ifgsm{.epsilon = 4, .step = 1, .steps = 6}, 4.f);
  f("gradient descent", attack::gradient_descent{.epsilon = 2, .step = 1, .steps = 3}, 5.f);
  f("none", attack::none{}, 0.f);
  f("strongest", attack::strongest(attack::pgd{.step = 2}, attack::fgsm{.epsilon = 3}, attack::none{}), 4.f);
  f("a user's own", one_step{}, 4.f);
}

template <class Attack>
tensor<float, 4> attacked(two& m, const Attack& a, const tensor<float, 4>& x, const tensor<int, 1>& y,
                          domain through = auxiliary, std::uint64_t seed = 3) {
  tensor<float, 4> z = x;
  random_stream rng(seed);
  perturb(m, a, z.view(), y.view(), rng, through);
  return z;
}
double loss(two& m, const_image_view x, const_label_view y, domain through = auxiliary) {
  const auto logits = m.forward(x, pass::evaluate(through));
  return cross_entropy(m.device(), logits, y, 0, 1, {}).loss;
}

/// An objective without a network: it remembers what it was asked, and its gradient climbs everywhere.
struct recorder {
  cpu* device;
  int count = 10;
  std::vector<std::vector<int>> asked{};
  std::vector<bool> soft{};
  tensor<float, 4> ones{};

  device_images<cpu> input_gradient(const device_images<cpu>& images, const target_view& labels) {
    asked.emplace_back(labels.begin(), labels.end());
    soft.push_back(labels.soft.data() != nullptr);
    ones.resize(images.extents());
    std::fill(ones.begin(), ones.end(), 1.f);
    return {*device, ones.view()};
  }
  image_numbers<cpu> losses(const device_images<cpu>& images, const target_view&) {
    image_numbers<cpu> to(*device, images.extent(0));
    std::fill(to.begin(), to.end(), 1.f);
    return to;
  }
  image_buffer<cpu> copy(const device_images<cpu>& images) {
    image_buffer<cpu> to(*device, images.extents());
    std::copy(images.begin(), images.end(), to.begin());
    return to;
  }
  void least_likely(const device_images<cpu>& images, label_view worst, const target_view& own) {
    CHECK(own.extent(0) == images.extent(0));
    for (int i = 0; i < images.extent(0); ++i) worst(i) = (i * 3 + 1) % count;
  }
  int classes() const { return count; }
};

}  // namespace

TEST_CASE("An attack leaves weights, gradients and statistics byte for byte as they were, and the arena empty") {
  cpu d(1);
  two m(d);
  scramble(m);
  random_stream r(8);
  for (float& g : m.gradients()) g = r.uniform();
  m.batches_tracked(1) = 5;
  const snapshot before(m);
  const auto gradients = copy_of(m.gradients());
  const std::size_t own = d.memory().in_use();
  const auto x = images(6);
  const auto y = labels(6);
  each_attack([&](const char* name, const auto& a, float) {
    INFO(name);
    for (domain through : {main_domain, auxiliary}) attacked(m, a, x, y, through);
    CHECK(snapshot(m) == before);
    CHECK(same_bits(m.gradients(), gradients));
    CHECK(d.memory().in_use() == own);
  });
}

TEST_CASE("The result is inside the ball, exactly in float, and inside [0, 1]; and the images did move") {
  cpu d(1);
  two m(d);
  scramble(m);
  auto x = images(6);
  for (int i = 0; i < x.size(); i += 5) x.data()[i] = static_cast<float>(i % 2);
  const auto y = labels(6);
  each_attack([&](const char* name, const auto& a, float pixels) {
    INFO(name);
    const auto z = attacked(m, a, x, y);
    const float e = pixels / 255;
    double largest = 0;
    for (int i = 0; i < x.size(); ++i) {
      const float v = z.data()[i], far = std::fabs(v - x.data()[i]);
      CHECK((v >= 0 && v <= 1));
      if (pixels > 0 && std::string(name) != "gradient descent" && std::string(name) != "a user's own") CHECK(far <= e);
      largest = std::max(largest, double(far));
    }
    if (pixels > 0) {
      CHECK(largest <= e * (1 + 1e-5));
      CHECK(largest > 0.9 * e);
    }
    if (std::string(name) == "pgd, l2")
      for (int n = 0; n < 6; ++n) {
        double squares = 0;
        for (int i = 0; i < 64; ++i)
          squares += std::pow(double(z.data()[n * 64 + i]) - double(x.data()[n * 64 + i]), 2);
        CHECK(std::sqrt(squares) <= 100.0 / 255 * (1 + 1e-6));
        CHECK(std::sqrt(squares) > 0.5 * 100.0 / 255);
      }
  });
}

TEST_CASE("Epsilon 0 returns the images bit for bit and asks the network nothing") {
  cpu d(1);
  recorder asked{&d};
  const auto x = images(3);
  const auto y = labels(3);
  const auto check = [&](const auto& a) {
    auto z = x;
    z.data()[7] = -0.f;
    const auto before = z;
    random_stream rng(1);
    device_images<cpu> batch(d, z.view());
    a.perturb(asked, batch, y.view(), rng);
    CHECK(same_bits(z, before));
  };
  check(attack::fgsm{.epsilon = 0});
  check(attack::ifgsm{.epsilon = 0});
  check(attack::pgd{.epsilon = 0});
  check(attack::pgd{.epsilon = 0, .norm = attack::norm::l2});
  check(attack::momentum_ifgsm{.epsilon = 0});
  check(attack::gradient_descent{.epsilon = 0});
  check(attack::none{});
  check(attack::strongest(attack::pgd{.epsilon = 0}, attack::none{}));
  CHECK(asked.asked.empty());
}

TEST_CASE("A random target is never the label and every wrong class is as likely; it stays for all steps") {
  cpu d(1);
  for (int classes : {2, 3, 10}) {
    recorder o{&d, classes};
    tensor<float, 4> x({3000, 1, 1, 1});
    const auto y = labels(3000, classes);
    random_stream rng(4);
    device_images<cpu> batch(d, x.view());
    attack::pgd{.steps = 3, .goal = attack::goal::random_class}.perturb(o, batch, y.view(), rng);
    REQUIRE(o.asked.size() == 3);
    CHECK(o.asked[1] == o.asked[0]);
    CHECK(o.asked[2] == o.asked[0]);
    std::map<int, int> offsets;
    for (int i = 0; i < 3000; ++i) {
      const int target = o.asked[0][static_cast<std::size_t>(i)];
      REQUIRE((target >= 0 && target < classes));
      REQUIRE(target != y(i));
      ++offsets[(target - y(i) + classes) % classes];
    }
    const double expected = 3000.0 / (classes - 1);
    for (const auto& [offset, count] : offsets) CHECK(std::abs(count - expected) < 5 * std::sqrt(expected));
    CHECK(static_cast<int>(offsets.size()) == classes - 1);
  }
  recorder lonely{&d, 1};
  auto x = images(1);
  device_images<cpu> batch(d, x.view());
  random_stream rng;
  const auto y = labels(1, 1);
  CHECK_THROWS_WITH_AS(attack::fgsm{.goal = attack::goal::random_class}.perturb(lonely, batch, y.view(), rng),
                       "attack: a target needs at least 2 classes", argument_error);
}

TEST_CASE("Soft targets: an untargeted attack climbs their loss; a target is neither class of a mixture") {
  cpu d(1);
  for (int classes : {2, 3, 4, 10}) {
    const int count = 2000;
    tensor<float, 4> x({count, 1, 1, 1});
    const auto y = labels(count, classes);
    tensor<float, 2> shares({count, classes});
    random_stream r(6);
    for (int i = 0; i < count; ++i) {  // a third of the images is not mixed
      shares(i, y(i)) = i % 3 ? 0.7f : 1.f;
      if (i % 3) shares(i, (y(i) + 1 + r.below(classes - 1)) % classes) = 0.3f;
    }
    const target_view t{y.view(), shares.view()};
    device_images<cpu> batch(d, x.view());
    const auto check = [&](auto a) {
      random_stream rng(4);
      recorder o{&d, classes};
      a.perturb(o, batch, t, rng);
      CHECK(o.soft.at(0));
      CHECK(std::equal(y.begin(), y.end(), o.asked[0].begin()));
      a.goal = attack::goal::random_class;
      recorder p{&d, classes};
      a.perturb(p, batch, t, rng);
      CHECK(!p.soft.at(0));
      std::map<int, int> offsets;
      for (int i = 0; i < count; ++i) {
        const int target = p.asked[0][static_cast<std::size_t>(i)];
        REQUIRE((target >= 0 && target < classes));
        REQUIRE(target != y(i));
        if (classes > 2) REQUIRE(target != t.second(i));
        ++offsets[(target - y(i) + classes) % classes];
      }
      const double expected = double(count) / (classes - 1);
      for (const auto& [offset, n] : offsets) CHECK(std::abs(n - expected) < 5 * std::sqrt(expected));
      CHECK(static_cast<int>(offsets.size()) == classes - 1);
    };
    check(attack::fgsm{});
    check(attack::ifgsm{.steps = 1});
    check(attack::pgd{.steps = 1});
    check(attack::momentum_ifgsm{.steps = 1});
    check(attack::gradient_descent{.steps = 1});
  }
}

namespace {
/// A policy written for hard labels.
struct hard_only {
  std::vector<float>* seen;
  template <class Objective, class Images>
  void perturb(Objective& objective, Images& images, const_label_view labels, random_stream&) const {
    *seen = copy_of(objective.input_gradient(images, labels));
  }
};
/// One that hands on what it gets.
struct any_labels {
  std::vector<float>* seen;
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    *seen = copy_of(objective.input_gradient(images, labels));
  }
};
static_assert(attack_policy<hard_only> && attack_policy<any_labels>);
}  // namespace

TEST_CASE("A user's attack that hands its labels on attacks the soft loss; one that takes hard labels gets those") {
  cpu d(1);
  two m(d, seed{3});
  scramble(m);
  auto x = images(6);
  const auto a = labels(6);
  tensor<int, 1> b({6});
  tensor<float, 2> shares({6, 4});
  for (int i = 0; i < 6; ++i) {
    b(i) = (a(i) + 1) % 4;
    shares(i, a(i)) = 0.75f;
    shares(i, b(i)) = 0.25f;
  }
  random_stream rng;
  const auto gradient = [&](auto policy, const target_view& t) {
    std::vector<float> seen;
    policy.seen = &seen;
    perturb(m, policy, x.view(), t, rng, auxiliary);
    return seen;
  };
  const target_view mixed{a.view(), shares.view()};
  const auto ga = gradient(any_labels{}, a), gb = gradient(any_labels{}, b);
  auto expected = ga;
  for (std::size_t i = 0; i < ga.size(); ++i)
    expected[i] = 0.75f * ga[i] + 0.25f * gb[i];  // the loss is linear in them
  CHECK(distance(gradient(any_labels{}, mixed), expected) < 1e-5);
  CHECK(distance(expected, ga) > 0.01);
  CHECK(gradient(hard_only{}, mixed) == ga);
  const target_view few{a.view().slice(0, 5), {}}, narrow{a.view(), {shares.data(), {6, 3}}};
  CHECK_THROWS_WITH_AS(gradient(any_labels{}, few), "perturb: 6 images but 5 labels", argument_error);
  CHECK_THROWS_WITH_AS(gradient(any_labels{}, narrow), "perturb: soft labels are 6 x 3, not 6 x 4", argument_error);
}

TEST_CASE("An untargeted attack asks for the labels and climbs, a targeted one asks for its targets and descends") {
  cpu d(1);
  const auto y = labels(5, 10);
  const auto run = [&](const auto& a) {
    recorder o{&d};
    tensor<float, 4> x({5, 2, 2, 1});
    std::fill(x.begin(), x.end(), 0.5f);
    device_images<cpu> batch(d, x.view());
    random_stream rng(4);
    a.perturb(o, batch, y.view(), rng);
    CHECK((o.asked.empty() ? 0.f : x.data()[0] - 0.5f) == doctest::Approx((x.data()[19] - 0.5f)));
    return std::pair(o.asked.at(0), x.data()[0] > 0.5f);
  };
  const std::vector<int> own(y.begin(), y.end()), unlikely{1, 4, 7, 0, 3};
  const auto goals = [&](auto a) {
    a.goal = attack::goal::untargeted;
    CHECK(run(a) == std::pair(own, true));
    a.goal = attack::goal::least_likely;
    CHECK(run(a) == std::pair(unlikely, false));
    a.goal = attack::goal::random_class;
    CHECK(run(a).second == false);
  };
  goals(attack::fgsm{});
  goals(attack::ifgsm{});
  goals(attack::pgd{.start = attack::start::image});
  goals(attack::pgd{.norm = attack::norm::l2, .start = attack::start::image});
  goals(attack::momentum_ifgsm{});
  goals(attack::gradient_descent{.start = attack::start::image});
}

TEST_CASE("The loss rises for the label, or falls for the least likely class") {
  cpu d(1);
  two m(d, seed{3});
  scramble(m);
  const auto x = images(8);
  const auto y = labels(8);
  tensor<int, 1> worst({8});
  predict_worst(d, m.forward(x, pass::evaluate(auxiliary)), worst.view(), y);
  const double before = loss(m, x, y), unlikely = loss(m, x, worst);
  const auto check = [&](auto a) {
    CHECK(loss(m, attacked(m, a, x, y), y) > before + 1e-3);
    a.goal = attack::goal::least_likely;
    CHECK(loss(m, attacked(m, a, x, y), worst) < unlikely - 1e-3);
  };
  check(attack::fgsm{});
  check(attack::ifgsm{});
  check(attack::pgd{});
  check(attack::pgd{.epsilon = 60, .step = 20, .norm = attack::norm::l2});
  check(attack::momentum_ifgsm{});
  check(attack::gradient_descent{});
}

TEST_CASE("An attack through an auxiliary domain depends on that domain's numbers and not on the main one's") {
  cpu d(1);
  two m(d);
  scramble(m);
  const auto x = images(6);
  const auto y = labels(6);
  for (statistics source : {statistics::running, statistics::batch}) {
    const attack::pgd a{.epsilon = 8, .step = 2.5f, .steps = 4, .source = source};
    const auto before = attacked(m, a, x, y), through_main = attacked(m, a, x, y, main_domain);
    CHECK(!same_bits(before, through_main));
    for (const char* name : {"bn1.weight", "bn1.bias", "block.bn2.weight", "bn1.running_mean", "block.bn2.running_var"})
      for (float& v : tensor_of(m, name)) v = 2.f - v;
    CHECK(same_bits(attacked(m, a, x, y), before));
    CHECK(!same_bits(attacked(m, a, x, y, main_domain), through_main));
    for (float& v : tensor_of(m, "bn1.aux_bn.0.weight")) v = 2.f - v;
    CHECK(!same_bits(attacked(m, a, x, y), before));
  }
}

TEST_CASE(
    "Running statistics do not matter to an attack through batch statistics, and matter to one through running ones") {
  cpu d(1);
  two m(d);
  scramble(m);
  const auto x = images(6);
  const auto y = labels(6);
  const attack::ifgsm batch{.epsilon = 8, .source = statistics::batch}, running{.epsilon = 8};
  const auto one = attacked(m, batch, x, y), other = attacked(m, running, x, y);
  for (float& v : tensor_of(m, "bn1.aux_bn.0.running_mean")) v += 0.7f;
  CHECK(same_bits(attacked(m, batch, x, y), one));
  CHECK(!same_bits(attacked(m, running, x, y), other));
  // `fgsm` says its source too.
  CHECK(!same_bits(attacked(m, attack::fgsm{.source = statistics::batch}, x, y), attacked(m, attack::fgsm{}, x, y)));
}

namespace {
struct without_clamp {
  float by;
  void perturb(auto&, auto& images, const auto&, random_stream&) const {
    transform(images, [b = by](float x) { return x + b; });
  }
};
}  // namespace

TEST_CASE("An attack that leaves pixels outside [0, 1] is told of") {
  cpu d(1);
  two m(d);
  const auto y = labels(2);
  tensor<float, 4> x({2, 8, 8, 1});
  random_stream rng(3);
  x.data()[64] = 0.75f;
  CHECK_THROWS_WITH_AS(perturb(m, without_clamp{0.5f}, x.view(), y, rng, auxiliary),
                       "perturb: the attack has left 1.25 in image 1 of the batch, outside [0, 1]", argument_error);
  std::fill(x.begin(), x.end(), 0.5f);
  CHECK_THROWS_WITH_AS(perturb(m, without_clamp{-1.5f}, x.view(), y, rng, auxiliary),
                       "perturb: the attack has left -1 in image 0 of the batch, outside [0, 1]", argument_error);
}

TEST_CASE("With running statistics the attack on an image does not depend on its batch") {
  cpu d(1);
  two m(d);
  scramble(m);
  const auto x = images(7);
  const auto y = labels(7);
  const auto check = [&](const auto& a) {
    const auto all = attacked(m, a, x, y);
    for (int i : {0, 3, 6}) {
      tensor<float, 4> alone({1, 8, 8, 1});
      std::copy_n(x.data() + i * 64, 64, alone.data());
      random_stream rng(3);
      perturb(m, a, alone.view(), y.view().slice(i, 1), rng, auxiliary);
      CHECK(same_bits(alone, std::span(all.data() + i * 64, 64)));
    }
  };
  check(attack::fgsm{.epsilon = 8});
  check(attack::ifgsm{});
  check(attack::momentum_ifgsm{});
  check(attack::pgd{.epsilon = 60, .step = 20, .norm = attack::norm::l2, .start = attack::start::image});
  check(attack::ifgsm{.goal = attack::goal::least_likely});
}

TEST_CASE("One seed gives the same attack on one thread and on several, another seed another") {
  cpu a(1), b(3);
  two m(a, seed{1}), n(b, seed{1});
  scramble(m);
  scramble(n);
  const auto x = images(5, 11);
  const auto y = labels(5);
  each_attack([&](const char* name, const auto& how, float) {
    INFO(name);
    CHECK(same_bits(attacked(m, how, x, y), attacked(n, how, x, y)));
  });
  CHECK(!same_bits(attacked(m, attack::pgd{}, x, y), attacked(m, attack::pgd{}, x, y, auxiliary, 4)));
}

TEST_CASE("One FGSM step against a linear classifier of two classes goes along the difference of their weights") {
  cpu d(1);
  using line = model<architecture<normalize<halves>, linear<2>>, domains<1>, cpu>;
  line m(d, seed{2});
  tensor<float, 4> x({4, 1, 1, 12});
  random_stream r(1);
  for (float& v : x) v = r.uniform(0.2f, 0.8f);
  const auto y = labels(4, 2);
  auto z = x;
  random_stream rng;
  perturb(m, attack::fgsm{.epsilon = 4}, z.view(), y.view(), rng);
  const auto w = m[m.table()[0]];
  for (int n = 0; n < 4; ++n)
    for (std::size_t i = 0; i < 12; ++i) {
      const auto own = static_cast<std::size_t>(y(n)) * 12 + i, other = static_cast<std::size_t>(1 - y(n)) * 12 + i;
      CHECK(z(n, 0, 0, static_cast<int>(i)) ==
            doctest::Approx(x(n, 0, 0, static_cast<int>(i)) + 4.f / 255 * sign(w[other] - w[own])).epsilon(1e-6));
    }
}

TEST_CASE("Values that make no sense are refused, and the error names the attack and the member") {
  cpu d(1);
  two m(d);
  const auto x = images(2);
  const auto y = labels(2);
  const auto check = [&](const auto& a, const char* text) {
    CHECK_THROWS_WITH_AS(attacked(m, a, x, y), doctest::Contains(text), argument_error);
  };
  check(attack::pgd{.epsilon = -1}, "attack::pgd: epsilon is -1");
  check(attack::pgd{.epsilon = NAN}, "attack::pgd: epsilon is nan");
  check(attack::pgd{.epsilon = 256}, "must be in [0, 255]");
  check(attack::pgd{.step = -0.5f}, "attack::pgd: step is -0.5");
  check(attack::pgd{.step = NAN}, "attack::pgd: step");
  check(attack::pgd{.steps = -1}, "attack::pgd: steps is -1, must be 0 or more");
  check(attack::pgd{.clean_start = 1.5f}, "attack::pgd: clean_start");
  check(attack::pgd{.clean_start = NAN}, "attack::pgd: clean_start");
  check(attack::fgsm{.epsilon = -1}, "attack::fgsm: epsilon");
  check(attack::fgsm{.epsilon = INFINITY}, "attack::fgsm: epsilon");
  check(attack::ifgsm{.epsilon = NAN}, "attack::ifgsm: epsilon");
  check(attack::ifgsm{.steps = -2}, "attack::ifgsm: steps");
  check(attack::momentum_ifgsm{.epsilon = -1}, "attack::momentum_ifgsm: epsilon");
  check(attack::momentum_ifgsm{.decay = NAN}, "attack::momentum_ifgsm: decay");
  check(attack::momentum_ifgsm{.decay = INFINITY}, "attack::momentum_ifgsm: decay is inf");
  check(attack::gradient_descent{.epsilon = -1}, "attack::gradient_descent: epsilon");
  check(attack::gradient_descent{.clean_start = -0.1f}, "attack::gradient_descent: clean_start");
}

}  // namespace attack_test
