#include <advprop/robustness/ensemble.hpp>

#include "trained.hpp"

namespace ensemble_test {

using namespace harness;

namespace {

/// A linear classifier of four classes behind a defence that only looks like one.
struct toy {
  enum class defence { none, masked, random, softmax } kind = defence::none;
  using device_type = cpu;
  cpu* on;
  linear_model<4>* net;
  int calls = 0;

  cpu& device() const { return *on; }
  int classes() const { return 4; }
  void logits(const device_images<cpu>& images, view<float, 2> z) {
    attacked_model inner(*net);
    inner.logits(images, z);
    ++calls;
    for (int i = 0; i < z.extent(0); ++i) {
      double sum = 0;
      for (int k = 0; k < 4; ++k) sum += std::exp(double(z(i, k)));
      for (int k = 0; k < 4; ++k) {
        if (kind == defence::random) z(i, k) += 1e-6f * static_cast<float>(calls);
        if (kind == defence::softmax) z(i, k) = static_cast<float>(std::exp(double(z(i, k))) / sum);
      }
    }
  }
  void gradient(const device_images<cpu>& images, const logit_gradient& loss, view<float, 2> z,
                const device_images<cpu>& gradient) {
    if (kind == defence::none) {
      attacked_model inner(*net);
      return inner.gradient(images, loss, z, gradient);
    }
    logits(images, z);  // as where the input was rounded: nothing flows back
    std::vector<float> dz(4);
    for (int i = 0; i < images.extent(0); ++i) loss(i, {z.data() + i * 4, 4}, dz);
    std::fill(gradient.begin(), gradient.end(), 0.f);
  }
};
static_assert(attack_target<toy> && attack_target<attacked_model<two>> && !attack_target<two> && !attack_target<int>);

bool warns(const ensemble_result& r, const char* text) {
  return std::ranges::any_of(r.warnings, [&](const std::string& w) { return w.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("The ensemble attacks each image once, with the attacks in turn on what is left, and says how") {
  two& m = trained();
  const snapshot before(m);
  const auto x = patterns(23, 4).clean;
  for (const domain through : {main_domain, auxiliary}) {
    attacked_model target(m, through);
    auto y = predictions(target, x);
    y(2) = (y(2) + 1) % 4;
    const array_source<float> data(x.view(), y.view(), 4);
    const ensemble_options o{
        .epsilon = 16, .steps = 10, .queries = 30, .through = through, .batch = 5, .seed = seed{7}};
    const auto r = attack_ensemble(m, data, o);
    CHECK(r.clean_accuracy() == doctest::Approx(22 / 23.0));
    CHECK(r.correct[2] == 0);
    REQUIRE(r.stages.size() == 4);
    CHECK(r.stages[0].evidence.attacked == 22);
    CHECK(r.stages[1].evidence.attacked == r.stages[0].left);
    CHECK(r.stages[2].evidence.attacked == r.stages[1].left);
    CHECK(r.stages[3].evidence.attacked == r.stages[2].left);
    CHECK(r.robust_accuracy() == doctest::Approx(r.stages[3].left / 23.0));
    CHECK((r.stages[0].left > 0 && r.stages[0].left < 22));
    CHECK(r.warnings.empty());
    CHECK(r.how.targets == 3);

    owned_batch b(x, y);
    b.images = r.adversarial;
    b.robust = r.robust;
    check_inside(b, 16.f / 255, false);
    judge(target, b);
    CHECK(b.robust == r.robust);

    // Neither the batch size nor the number of images changes an image's fate.
    auto other = o;
    other.batch = 100;
    const auto whole = attack_ensemble(m, data, other);
    CHECK(same_bits(whole.adversarial, r.adversarial));
    other.images = 20;
    const auto some = attack_ensemble(m, data, other);
    CHECK(same_bits(some.adversarial, std::span(r.adversarial.data(), 20 * 64)));
    auto rest = o;
    rest.first = 7;
    const auto others = attack_ensemble(m, data, rest);
    CHECK(others.how.images == 16);
    CHECK(same_bits(others.adversarial, std::span(r.adversarial.data() + 7 * 64, 16 * 64)));
    other.seed = seed{8};
    CHECK(!same_bits(attack_ensemble(m, data, other).adversarial, some.adversarial));
    CHECK(description(some.how) == std::string("L-infinity, epsilon 16/255; APGD-CE (10 steps), APGD-T (10 steps, 3 "
                                               "targets), FAB-T (10 steps, 3 targets), Square (30 queries); "
                                               "restarts 1; domain ") +
                                       (through == main_domain ? "0" : "1") +
                                       ", running statistics; 20 images; seed 7");
  }
  CHECK(snapshot(m) == before);
}

TEST_CASE("Epsilon 0 leaves every image as it is, and every correct one robust") {
  cpu d(1);
  two m(d, seed{3});
  const auto x = images(9);
  const auto y = labels(9);
  const auto r = attack_ensemble(m, array_source<float>(x.view(), y.view(), 4), {.epsilon = 0});
  CHECK(same_bits(r.adversarial, x));
  CHECK(r.robust == r.correct);
}

TEST_CASE("Square fools a network whose gradients are masked; APGD alone would call it robust; the guards say so") {
  cpu d(1);
  linear_model<4> net(d, seed{2});
  centre(net);
  const auto x = points(60);
  attacked_model inner(net);
  const auto y = predictions(inner, x);
  const array_source<float> data(x.view(), y.view(), 4);
  const ensemble_options o{.epsilon = 8, .norm = attack::norm::linf, .steps = 20, .queries = 300};
  toy masked{.kind = toy::defence::masked, .on = &d, .net = &net};
  const auto r = attack_ensemble(masked, data, o);
  CHECK(r.stages[3].left < r.stages[2].left - 3);
  CHECK(r.stages[0].evidence.zero_gradients == 60);
  CHECK(warns(r, "60 of 60 images gave APGD-CE a gradient of zero: gradients are masked"));
  CHECK(warns(r, "Square, which uses no gradient, fooled "));

  toy open{.on = &d, .net = &net};
  const auto honest = attack_ensemble(open, data, o);
  CHECK(honest.warnings.empty());
  CHECK(honest.stages[1].left < r.stages[1].left - 10);
  CHECK(honest.robust_accuracy() <= r.robust_accuracy());
}

TEST_CASE("A random network and probabilities in place of logits are noticed") {
  cpu d(1);
  linear_model<4> net(d, seed{2});
  const auto x = points(6);
  const auto y = labels(6);
  const array_source<float> data(x.view(), y.view(), 4);
  const ensemble_options o{.epsilon = 1, .steps = 2, .queries = 2};
  toy random{.kind = toy::defence::random, .on = &d, .net = &net},
      softmax{.kind = toy::defence::softmax, .on = &d, .net = &net};
  CHECK(warns(attack_ensemble(random, data, o), "the network is random"));
  CHECK(warns(attack_ensemble(softmax, data, o), "the logits are probabilities"));
}

TEST_CASE("Options that make no sense and networks that cannot be attacked so give one message") {
  cpu d(1);
  two m(d);
  const auto x = images(3);
  const auto y = labels(3);
  const array_source<float> data(x.view(), y.view(), 4), five(x.view(), y.view(), 5);
  CHECK_THROWS_WITH_AS(attack_ensemble(m, five), "attack_ensemble: the data have 5 classes, the network 4",
                       argument_error);
  CHECK_THROWS_AS(attack_ensemble(m, data, {.batch = 0}), argument_error);
  CHECK_THROWS_AS(attack_ensemble(m, data, {.images = -1}), argument_error);
  CHECK_THROWS_WITH_AS(attack_ensemble(m, data, {.first = 3}), "attack_ensemble: there is no image 3 of 3",
                       argument_error);
  CHECK_THROWS_WITH_AS(attack_ensemble(m, data, {.attacks = {}}), "attack_ensemble: there are no attacks",
                       argument_error);
  CHECK_THROWS_WITH_AS(attack_ensemble(m, data, {.epsilon = -1}), doctest::Contains("apgd: epsilon is -1"),
                       argument_error);
  CHECK_THROWS_WITH_AS(attack_ensemble(m, data, {.steps = 0}), "apgd: steps is 0, must be 1 or more", argument_error);
  CHECK_THROWS_WITH_AS(attack_ensemble(m, data, {.queries = 0}), doctest::Contains("square: queries is 0"),
                       argument_error);
  // What makes no sense for a later attack is found before the first one asks the network anything.
  linear_model<4> net(d);
  toy counted{.on = &d, .net = &net};
  const auto cx = points(3);
  const array_source<float> at(cx.view(), y.view(), 4);
  CHECK_THROWS_AS(attack_ensemble(counted, at, {.queries = 0}), argument_error);
  CHECK_THROWS_AS(attack_ensemble(counted, at, {.targets = 0}), argument_error);
  CHECK(counted.calls == 0);
  CHECK(ensemble_result{}.robust_accuracy() == 0);

  linear_model<3> few(d);
  const auto px = points(3);
  const auto py = labels(3, 3);
  const array_source<float> three(px.view(), py.view(), 3);
  CHECK_THROWS_WITH_AS(attack_ensemble(few, three),
                       "apgd: the targeted DLR loss needs at least 4 classes; the network has 3", argument_error);
  CHECK_NOTHROW(attack_ensemble(
      few, three,
      {.attacks = {evaluation_attack::apgd_cross_entropy, evaluation_attack::square}, .steps = 2, .queries = 2}));
  tensor_of(m, "fc.bias")[1] = INFINITY;
  CHECK_THROWS_WITH_AS(attack_ensemble(m, data), "robustness: logit 1 of an image is NaN or infinite", numeric_error);
}

}  // namespace ensemble_test
