// Batches that go through the network in micro-batches: the methods, and `fit`.
#include <advprop/training/fit.hpp>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/pgd.hpp>

namespace micro_batch_test {

using namespace harness;

namespace {

/// No image knows of another.
struct without_norms : architecture<normalize<mnist_statistics>, named<"conv1", convolution<6, 3, 2, 1, 1, bias::zero>>,
                                    relu, named<"conv2", convolution<6, 3, 1, 1, 1, bias::zero>>, relu,
                                    global_average_pool, named<"fc", linear<4>>> {};
using plain = model<without_norms, three, cpu>;
using normed = small_model<three>;

const attack::ifgsm climb{.epsilon = 8, .step = 3, .steps = 3};  // nothing random in it
const attack::pgd wander{.epsilon = 8, .step = 3, .steps = 2, .clean_start = 0.3f, .goal = attack::goal::random_class};

struct data {
  tensor<float, 4> x;
  tensor<int, 1> y;
  tensor<float, 2> shares;
  explicit data(int count, std::uint64_t seed = 1)
      : x(images(count, 8, 1, seed)), y(labels(count, 4, seed)), shares({count, 4}) {
    for (int i = 0; i < count; ++i) {
      shares(i, y(i)) = 0.75f;
      shares(i, (y(i) + 1 + i % 3) % 4) = 0.25f;
    }
  }
  operator labelled_images() const { return {x.view(), y.view()}; }
  labelled_images mixed() const { return {x.view(), {y.view(), shares.view()}}; }
};

/// f(name, method, its streams) for every method, with images of `streams`.
template <class Attack, class F>
void each_method(const Attack& attack, const labelled_images& a, const labelled_images& b, F&& f) {
  f("clean", clean_training{}, std::vector{a});
  adversarial_training adversarial{attack};
  adversarial.clean_weight = 0.5f;
  f("mixture", adversarial, std::vector{a});
  adversarial.mixture = false;
  f("adversarial only", adversarial, std::vector{a});
  for (const execution how : {execution::sequential, execution::concatenated}) {
    adversarial_propagation method{attack, attack::none{}};
    method.execution = how;
    method.clean_weight = 0.5f;
    method.auxiliary = {auxiliary_options{2}, auxiliary_options{3, 1}};
    f("AdvProp", method, std::vector{a, b});
    method.auxiliary[0].share = 0.34f;
    f("a share", method, std::vector{a, b});
    method.decoupled = true;
    f("decoupled", method, std::vector{a, b});
  }
}

template <class Model>
struct gradients_of {
  Model net;
  step_metrics metrics;
  gradients_of(cpu& d, const auto& method, const std::vector<labelled_images>& streams, const step_options& options)
      : net(d, seed{3}) {
    scramble(net);
    net.zero_gradients();
    metrics = method.gradients(net, streams, options);
  }
};

step_options options_with(int micro_batch) { return {0.1f, random_stream(4), micro_batch}; }

}  // namespace

TEST_CASE("A part's micro-batches are contiguous, as few as can be, and of almost one size; their shares add up to 1") {
  const data a(10), b(3, 9);
  struct {
    int most;
    std::vector<int> first, second;
  } const cases[] = {{0, {10}, {3}},      {4, {3, 3, 4}, {3, 0, 0}}, {5, {5, 5}, {3, 0}},
                     {9, {5, 5}, {3, 0}}, {10, {10}, {3}},           {2, {2, 2, 2, 2, 2}, {1, 2, 0, 0, 0}},
                     {1000, {10}, {3}}};
  for (const auto& c : cases) {
    CAPTURE(c.most);
    std::vector<int> first, second;
    std::vector<std::uint64_t> streams;
    float share = 0;
    int at = 0;
    for_micro_batches(std::array<labelled_images, 2>{a, b}, options_with(c.most),
                      [&](const auto& parts, const step_options& own) {
                        first.push_back(parts[0].count());
                        second.push_back(parts[1].count());
                        CHECK(parts[0].images.images.data() == &a.x(at, 0, 0, 0));
                        CHECK(parts[0].images.labels.data() == &a.y(at));
                        CHECK(parts[1].share == static_cast<float>(parts[1].count()) / 3);
                        at += parts[0].count();
                        share += parts[0].share;
                        streams.push_back(own.rng.stream());
                        CHECK(own.label_smoothing == 0.1f);
                      });
    CHECK(first == c.first);
    CHECK(second == c.second);
    CHECK(share == doctest::Approx(1));
    CHECK(streams[0] == random_stream(4).stream());
    std::sort(streams.begin(), streams.end());
    CHECK(std::adjacent_find(streams.begin(), streams.end()) == streams.end());
  }
  CHECK_THROWS_WITH_AS(for_micro_batches(std::array<labelled_images, 1>{a}, options_with(-1), [](auto&&...) {}),
                       "step: micro_batch is -1, must be 0 or more", argument_error);
}

TEST_CASE("A micro-batch as large as the batch is the batch, to the bit, for every method") {
  cpu d(1);
  const data a(10), b(4, 9);
  each_method(wander, a, b.mixed(), [&](const char* name, const auto& method, const auto& streams) {
    CAPTURE(name);
    const gradients_of<normed> whole(d, method, streams, options_with(0));
    for (const int micro_batch : {10, 11}) {
      const gradients_of<normed> same(d, method, streams, options_with(micro_batch));
      CHECK(same_bits(whole.net.gradients(), same.net.gradients()));
      CHECK(same_bits(whole.net.running(), same.net.running()));
    }
  });
}

TEST_CASE("Without batch norms, gradients and losses of micro-batches are the whole batch's, for every method") {
  cpu d(1);
  const data a(11), b(7, 9);
  each_method(climb, a.mixed(), b, [&](const char* name, const auto& method, const auto& streams) {
    CAPTURE(name);
    const gradients_of<plain> whole(d, method, streams, options_with(0));
    for (const int micro_batch : {1, 2, 3, 4, 6}) {
      CAPTURE(micro_batch);
      const gradients_of<plain> parts(d, method, streams, options_with(micro_batch));
      CHECK(distance(parts.net.gradients(), whole.net.gradients()) < 1e-5);
      CHECK(parts.metrics.count == whole.metrics.count);
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(parts.metrics.parts[i].images == whole.metrics.parts[i].images);
        CHECK(parts.metrics.parts[i].correct == whole.metrics.parts[i].correct);
        CHECK(parts.metrics.parts[i].loss() == doctest::Approx(whole.metrics.parts[i].loss()).epsilon(1e-5));
      }
    }
  });
}

TEST_CASE(
    "With batch norms a step is a loop over steps on micro-batches, weighted by their images, with their statistics") {
  cpu d(1);
  const data a(11), b(7, 9);
  const auto check = [&](const auto& method, const std::vector<labelled_images>& streams) {
    const step_options options = options_with(4);
    const gradients_of<normed> step(d, method, streams, options);
    normed net(d, seed{3});
    scramble(net);
    std::vector<double> sum(net.gradients().size());
    step_metrics metrics;
    int passes = 0;
    for_micro_batches(std::array{streams.front(), streams.back()}, options, [&](const auto& parts, step_options own) {
      own.micro_batch = 0;
      net.zero_gradients();
      std::vector<labelled_images> some;
      for (std::size_t i = 0; i < streams.size(); ++i) some.push_back(parts[i].images);
      metrics += method.gradients(net, some, own);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += double(parts[0].share) * net.gradients()[i];
      ++passes;
    });
    CHECK(passes == 3);
    CHECK(distance(step.net.gradients(), sum) < 1e-6);
    CHECK(same_bits(step.net.running(), net.running()));
    for (int i = 0; i < 3; ++i) CHECK(step.net.batches_tracked(i) == net.batches_tracked(i));
    for (std::size_t i = 0; i < 3; ++i) CHECK(step.metrics.parts[i].loss_sum == metrics.parts[i].loss_sum);
    // And none on the whole batch.
    CHECK(distance(step.net.gradients(), gradients_of<normed>(d, method, streams, options_with(0)).net.gradients()) >
          1e-3);
  };
  check(clean_training{}, {a});
  check(adversarial_training{wander}, {a});
  for (const execution how : {execution::sequential, execution::concatenated}) {
    adversarial_propagation method{wander, climb};
    method.execution = how;
    check(method, {a.mixed()});
    adversarial_propagation two{wander, attack::none{}};
    two.execution = how;
    two.auxiliary[1].stream = 1;
    const data c(11, 5);
    check(two, {a, c});
  }
}

TEST_CASE("Where a domain has had all its images, the others' go on: concatenated and sequential execution agree") {
  cpu d(1);
  const data a(11), b(3, 9);
  adversarial_propagation method{wander, attack::none{}};
  method.auxiliary = {auxiliary_options{.share = 0.2f}, auxiliary_options{.stream = 1}};
  const gradients_of<normed> one_by_one(d, method, {a, b}, options_with(2));
  method.execution = execution::concatenated;
  const gradients_of<normed> together(d, method, {a, b}, options_with(2));
  CHECK(distance(one_by_one.net.gradients(), together.net.gradients()) < 1e-5);
  CHECK(distance(one_by_one.net.running(), together.net.running()) < 1e-6);
  const std::array<int, 3> passes{6, 1, 2}, seen{11, 2, 3};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(one_by_one.net.batches_tracked(int(i)) == passes[i]);
    CHECK(together.net.batches_tracked(int(i)) == passes[i]);
    CHECK(one_by_one.metrics.parts[i].images == seen[i]);
    CHECK(together.metrics.parts[i].images == seen[i]);
    CHECK(one_by_one.metrics.parts[i].loss() == doctest::Approx(together.metrics.parts[i].loss()).epsilon(1e-5));
  }
}

namespace {

struct killed {};

struct outcome {
  std::vector<float> values, running, average;
  std::vector<double> losses;
  friend bool operator==(const outcome&, const outcome&) = default;
};

/// Two epochs of five steps, the last of 2 images, the others of 5; thrown out of step `kill` (from 1, of the run).
template <class Model>
outcome train(const fit_options& given, int threads = 1, int kill = 0) {
  cpu d(threads);
  Model net(d, seed{3});
  static const data a(22);
  const array_source<float> source(a.x.view(), a.y.view(), 4);
  loader batches(source, {.batch = 5, .seed = seed{8}, .workers = 0});
  averaged_weights average(net, {.decay = 0.9});
  outcome o;
  fit_options options = given;
  options.epochs = 2;
  options.on_step = [&](const step_report& r) {
    CHECK(r.images == (r.step == 5 ? 2 : 5));
    o.losses.push_back(r.metrics.parts[1].loss_sum);
    if ((r.epoch - 1) * r.steps + r.step == kill) throw killed();
  };
  try {
    fit(net, batches, adversarial_propagation{climb, climb}, sgd{.learning_rate = 0.05f, .clip_norm = 0.5f}, options,
        &average);
  } catch (const killed&) {
  }
  o.values = copy_of(net.values());
  o.running = copy_of(net.running());
  o.average = copy_of(average.values());
  return o;
}

/// Takes whole batches.
struct in_one {
  clean_training own;
  int parts() const { return 1; }
  int streams() const { return 1; }
  std::string part_name(int) const { return "clean"; }
  step_metrics gradients(auto& net, std::span<const labelled_images> streams, const step_options& options) const {
    return own.gradients(net, streams, options);
  }
};

}  // namespace

TEST_CASE("fit makes one step of an optimizer and an average for all micro-batches of a batch") {
  const outcome whole = train<plain>({}), parts = train<plain>({.micro_batch = 2});
  CHECK(parts.losses.size() == 10);
  CHECK(distance(parts.values, whole.values) < 1e-5);
  CHECK(distance(parts.average, whole.average) < 1e-5);
  CHECK(distance(parts.losses, whole.losses) < 1e-5);
  CHECK(train<normed>({.micro_batch = 2}) != train<normed>({}));
  CHECK(train<normed>({.micro_batch = 5}) == train<normed>({}));
}

TEST_CASE(
    "A run in micro-batches that was killed ends in the same bits, on any number of threads, and is not another run") {
  const data d(1);  // its address is this process's own
  const std::string path =
      (std::filesystem::temp_directory_path() / ("advprop_micro_" + std::to_string(std::uintptr_t(&d)))).string();
  const outcome whole = train<normed>({.micro_batch = 2});
  for (const int kill : {1, 4, 7}) {
    std::filesystem::remove(path);
    const fit_options options{.micro_batch = 2, .checkpoint = path, .checkpoint_steps = 1, .resume = true};
    train<normed>(options, 1, kill);
    outcome resumed = train<normed>(options, 2);
    CHECK(static_cast<int>(resumed.losses.size()) == 11 - kill);
    resumed.losses = whole.losses;
    CHECK(resumed == whole);
  }
  for (const int other : {0, 3})
    CHECK_THROWS_WITH_AS(train<normed>({.micro_batch = other, .checkpoint = path, .resume = true}),
                         doctest::Contains("micro-batch 2"), file_error);
  std::filesystem::remove(path);
}

TEST_CASE("A method that takes whole batches is told of, and so is a negative number of images") {
  cpu d(1);
  normed net(d);
  const data a(8);
  const array_source<float> source(a.x.view(), a.y.view(), 4);
  static_assert(training_method<in_one, normed> && !takes_micro_batches<in_one> && takes_micro_batches<clean_training>);
  CHECK_THROWS_WITH_AS(fit(net, source, in_one{}, sgd{}, {.epochs = 1, .batch = 4, .micro_batch = 2}),
                       "fit: micro_batch is 2, but the method takes whole batches; see training_method",
                       argument_error);
  CHECK_NOTHROW(fit(net, source, in_one{}, sgd{}, {.epochs = 1, .batch = 4}));
  CHECK_THROWS_WITH_AS(fit(net, source, clean_training{}, sgd{}, {.epochs = 1, .micro_batch = -2}),
                       "fit: micro_batch is -2, must be 0 or more", argument_error);
}

}  // namespace micro_batch_test
