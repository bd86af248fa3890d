// Soft labels through the step, the methods and fit.
#include <advprop/training/fit.hpp>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/pgd.hpp>

namespace soft_labels_test {

using namespace harness;

namespace {

using triple = small_model<three>;

struct soft_batch {
  tensor<float, 4> x;
  tensor<int, 1> a, b;
  tensor<float, 2> shares;
  explicit soft_batch(int count, std::uint64_t seed = 1)
      : x(images(count, 8, 1, seed)), a(labels(count, 4, seed)), b({count}), shares({count, 4}) {
    for (int i = 0; i < count; ++i) {
      b(i) = (a(i) + 1 + i % 3) % 4;
      shares(i, a(i)) = 0.75f;
      shares(i, b(i)) = 0.25f;
    }
  }
  operator labelled_images() const { return {x.view(), {a.view(), shares.view()}}; }
};

std::vector<float> step(triple& m, const labelled_images& batch, const routing& r, step_metrics& metrics) {
  m.zero_gradients();
  accumulate_gradients(m, batch, r, {.label_smoothing = 0.1f}, metrics, 0);
  return copy_of(m.gradients());
}

/// Keeps what fit hands over.
struct watch {
  std::vector<float>* soft;
  int parts() const { return 0; }
  int streams() const { return 1; }
  std::string part_name(int) const { return "none"; }
  step_metrics gradients(auto&, std::span<const labelled_images> streams, const step_options&) const {
    for (int i = 0; i < streams[0].labels.extent(0); ++i) {
      soft->push_back(static_cast<float>(streams[0].labels(i)));
      for (int k = 0; streams[0].labels.soft.data() && k < 4; ++k) soft->push_back(streams[0].labels.soft(i, k));
    }
    return {};
  }
};

}  // namespace

TEST_CASE("Loss and gradient of mixed labels are the mixture of both labels' in every part") {
  cpu d(1);
  triple m(d, seed{3}), n(d, seed{3}), o(d, seed{3});
  const soft_batch s(9);
  const routing r{{main_domain, 4, 0.5f}, {three::auxiliary(0), 5, 2}};
  step_metrics mixed, first, second;
  const auto g = step(m, s, r, mixed), ga = step(n, {s.x.view(), s.a}, r, first),
             gb = step(o, {s.x.view(), s.b}, r, second);
  std::vector<float> expected(g.size());
  for (std::size_t i = 0; i < g.size(); ++i) expected[i] = 0.75f * ga[i] + 0.25f * gb[i];
  CHECK(distance(g, expected) < 1e-5);
  CHECK(distance(ga, expected) > 0.01);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(mixed.parts[i].loss() == doctest::Approx(0.75 * first.parts[i].loss() + 0.25 * second.parts[i].loss()));
    CHECK(mixed.parts[i].correct == first.parts[i].correct);
  }
}

TEST_CASE("Soft and hard streams go through AdvProp together: sequential and concatenated execution agree") {
  cpu d(1);
  const soft_batch a(7), b(4, 9);
  const labelled_images hard{b.x.view(), b.a};
  for (const auto& streams : {std::vector<labelled_images>{a, hard}, std::vector<labelled_images>{hard, a},
                              std::vector<labelled_images>{a, b}}) {
    std::vector<std::vector<float>> g;
    for (execution how : {execution::sequential, execution::concatenated}) {
      triple m(d, seed{3});
      adversarial_propagation method{attack::ifgsm{}, attack::pgd{.goal = attack::goal::random_class}};
      method.auxiliary[1].stream = 1;
      method.execution = how;
      method.gradients(m, streams, {.rng = random_stream(3)});
      g.push_back(copy_of(m.gradients()));
    }
    CHECK(distance(g[0], g[1]) < 1e-5);
  }
  // Adversarial training concatenates too; the attack sees the soft loss.
  const auto trained = [&](const labelled_images& batch) {
    triple m(d, seed{3});
    const labelled_images streams[] = {batch};
    adversarial_training{attack::none{}}.gradients(m, streams, {});
    return copy_of(m.gradients());
  };
  const auto ga = trained({a.x.view(), a.a}), gb = trained({a.x.view(), a.b});
  auto expected = ga;
  for (std::size_t i = 0; i < ga.size(); ++i) expected[i] = 0.75f * ga[i] + 0.25f * gb[i];
  CHECK(distance(trained(a), expected) < 1e-5);
}

TEST_CASE("Soft labels of another shape are refused") {
  cpu d(1);
  triple m(d);
  const soft_batch a(4);
  step_metrics metrics;
  const labelled_images wrong{a.x.view(), {a.a.view(), {a.shares.data(), {4, 3}}}};
  CHECK_THROWS_WITH_AS(accumulate_gradients(m, wrong, main_domain, {}, metrics, 0),
                       "step: soft labels are 4 x 3, not 4 x 4", argument_error);
  const labelled_images streams[] = {wrong};
  CHECK_THROWS_AS(adversarial_training{attack::none{}}.gradients(m, streams, {}), argument_error);
}

TEST_CASE("What a loader mixes reaches the method, batch by batch") {
  cpu d(1);
  triple m(d);
  dataset data;
  data.classes = 4;
  data.image_shape = {1, 8, 8};
  for (int i = 0; i < 12; ++i) {
    data.labels.push_back(i % 4);
    data.pixels.insert(data.pixels.end(), 64, static_cast<std::uint8_t>(20 * i));
  }
  const loader_options options{.batch = 5, .seed = seed{2}, .workers = 0};
  std::vector<float> seen, expected;
  loader mixed(data, options, horizontal_flip{}, mix{0.5f, 0}), again(data, options, horizontal_flip{}, mix{0.5f, 0});
  fit(m, mixed, watch{&seen}, sgd{}, {.epochs = 3});
  int soft = 0;
  for (int i = 0; i < 9; ++i) {
    const image_batch& b = again.next();
    soft += b.soft.size() != 0;
    for (int n = 0; n < b.size(); ++n) {
      expected.push_back(static_cast<float>(b.labels(n)));
      for (int k = 0; b.soft.size() != 0 && k < 4; ++k) expected.push_back(b.soft(n, k));
    }
  }
  CHECK((soft > 0 && soft < 9));
  CHECK(seen == expected);
}

}  // namespace soft_labels_test
