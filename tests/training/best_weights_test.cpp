// The best epoch's weights: which are kept, with and without an average, and that a resumed run keeps the same.
#include <advprop/training/best_weights.hpp>

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <advprop/attacks/none.hpp>
#include <advprop/training/evaluate.hpp>
#include <advprop/training/fit.hpp>

#include "../models/harness.hpp"

namespace best_weights_test {

using namespace harness;

namespace {

using two = small_model<domains<2>>;

struct temporary {
  std::string path = "best_weights_test_" + std::to_string(::getpid()) + ".safetensors";
  ~temporary() { std::remove(path.c_str()); }
};

dataset noise(int count) {
  dataset d;
  d.name = "noise";
  d.classes = 4;
  d.image_shape = {1, 8, 8};
  for (float v : images(count)) d.pixels.push_back(static_cast<std::uint8_t>(v * 255));
  const auto l = labels(count);
  d.labels.assign(l.begin(), l.end());
  return d;
}

struct killed {};

struct outcome {
  std::vector<float> values, running;
  std::int64_t tracked = 0;
  int epoch = 0;
  double score = 0;
  std::vector<std::vector<float>> ends;  // what was scored after each epoch
  friend bool operator==(const outcome&, const outcome&) = default;
};

/// Four epochs of five steps, with the given scores; thrown out of step `kill` when that is positive.
outcome train(const std::vector<double>& scores, bool averaged, const std::string& checkpoint = "", bool resume = false,
              int kill = 0) {
  static const dataset data = noise(20);
  cpu device(1);
  two net(device, seed{3});
  averaged_weights<two> average(net, {.decay = 0.8});
  outcome o;
  int epoch = 0;
  best_weights<two> best(net, [&] {
    o.ends.push_back(copy_of(net.values()));
    return scores[static_cast<std::size_t>(epoch)];
  });
  fit_options options;
  options.epochs = 4;
  options.batch = 4;
  options.checkpoint = checkpoint;
  options.resume = resume;
  options.checkpoint_steps = 2;
  options.on_step = [&](const step_report& r) {
    epoch = r.epoch - 1;
    if ((r.epoch - 1) * r.steps + r.step == kill) throw killed();
  };
  const adversarial_propagation method(attack::none{});
  const auto run = [&] {
    fit(net, data, method, sgd{.learning_rate = 0.05f}, options, averaged ? &average : nullptr, &best);
  };
  if (kill > 0) {
    CHECK_THROWS_AS(run(), killed);
    return o;
  }
  run();
  CHECK(net.batches_tracked(0) == 20);
  if (averaged) CHECK(average.follows(net));
  best.restore();
  o.values = copy_of(net.values());
  o.running = copy_of(net.running());
  o.tracked = net.batches_tracked(1);
  o.epoch = best.epoch;
  o.score = best.score;
  return o;
}

}  // namespace

TEST_CASE("The epoch with the highest score is kept, of equal ones the first; with an average it is the average") {
  for (const bool averaged : {false, true}) {
    const outcome second = train({0.2, 0.5, 0.1, 0.5}, averaged);
    CHECK(second.epoch == 2);
    CHECK(second.score == 0.5);
    CHECK(second.tracked == 10);
    REQUIRE(second.ends.size() == 4);
    CHECK(same_bits(second.values, second.ends[1]));
    CHECK(!same_bits(second.values, second.ends[3]));
    CHECK(train({0.1, 0.2, 0.3, 0.4}, averaged).epoch == 4);
    CHECK(train({-1, -2, -3, -4}, averaged).epoch == 1);
  }
  CHECK(!same_bits(train({0, 1, 0, 0}, false).values, train({0, 1, 0, 0}, true).values));
}

TEST_CASE("Keeping the best changes nothing in training, and what is restored evaluates as it did") {
  static const dataset data = noise(20);
  cpu device(1);
  two plain(device, seed{3}), kept(device, seed{3});
  std::vector<double> scores;
  best_weights<two> best(kept, [&] {
    scores.push_back(evaluate(kept, data).total.accuracy());
    return scores.back();
  });
  const sgd optimizer{.learning_rate = 0.2f};
  fit(plain, data, clean_training{}, optimizer, {.epochs = 5, .batch = 4});
  fit(kept, data, clean_training{}, optimizer, {.epochs = 5, .batch = 4}, nullptr, &best);
  CHECK(same_bits(plain.values(), kept.values()));
  best.restore();
  CHECK(evaluate(kept, data).total.accuracy() == *std::max_element(scores.begin(), scores.end()));
}

TEST_CASE("A run begins anew, also one that would resume and finds no checkpoint") {
  static const dataset data = noise(8);
  for (const bool resume : {false, true}) {
    temporary file;
    cpu device(1);
    two net(device, seed{3});
    double score = 1;
    best_weights<two> best(net, [&] { return score; });
    const fit_options o{.epochs = 1, .batch = 4, .checkpoint = resume ? file.path : "", .resume = resume};
    fit(net, data, clean_training{}, sgd{}, o, nullptr, &best);
    const auto first = best.values;
    if (resume) std::remove(file.path.c_str());
    score = 0.5;  // lower than what the first run ended with
    fit(net, data, clean_training{}, sgd{}, o, nullptr, &best);
    CHECK(best.score == 0.5);
    CHECK(!same_bits(best.values, first));
  }
}

TEST_CASE("A run that was killed and resumed keeps the same epoch's weights, bit for bit") {
  for (const bool averaged : {false, true}) {
    const std::vector<double> scores = {0.2, 0.6, 0.4, 0.5};
    const outcome whole = train(scores, averaged);
    for (const int kill : {3, 6, 10, 11, 14, 20}) {
      CAPTURE(kill);
      temporary file;
      train(scores, averaged, file.path, false, kill);
      outcome resumed = train(scores, averaged, file.path, true);
      resumed.ends = whole.ends;
      CHECK(resumed == whole);
      // A finished run stays what it is.
      outcome again = train(scores, averaged, file.path, true);
      CHECK(again.ends.empty());
      again.ends = whole.ends;
      CHECK(again == whole);
    }
  }
}

TEST_CASE("Patience ends a run after so many epochs that were no better, also one that is resumed") {
  static const dataset data = noise(20);
  const auto train = [](int patience, const std::string& checkpoint = "", int stop = 0) {
    const std::vector<double> scores = {0.2, 0.5, 0.5, 0.4, 0.6, 0.1, 0.1, 0.1};
    cpu device(1);
    two net(device, seed{3});
    int epochs = 0, epoch = 0;
    best_weights<two> best(
        net, [&] { return scores[static_cast<std::size_t>(epoch)]; }, patience);
    fit_options o{.epochs = 8, .batch = 4, .checkpoint = checkpoint, .resume = !checkpoint.empty()};
    o.on_step = [&](const step_report& r) { epoch = r.epoch - 1; };
    o.on_epoch = [&](const epoch_report&) {
      if (++epochs == stop) throw killed();
    };
    try {
      fit(net, data, clean_training{}, sgd{}, o, nullptr, &best);
    } catch (const killed&) {
    }
    return std::pair(epochs, best.epoch);
  };
  CHECK(train(0) == std::pair(8, 5));
  CHECK(train(1) == std::pair(3, 2));
  CHECK(train(2) == std::pair(4, 2));
  CHECK(train(3) == std::pair(8, 5));
  temporary file;
  CHECK(train(2, file.path, 3) == std::pair(3, 2));  // killed
  CHECK(train(2, file.path) == std::pair(1, 2));
  CHECK(train(2, file.path) == std::pair(0, 2));
  CHECK(train(3, file.path) == std::pair(4, 5));  // with more patience it goes on
  cpu device(1);
  two net(device);
  CHECK_THROWS_WITH_AS(best_weights<two>(
                           net, [] { return 0.0; }, -1),
                       "best_weights: patience is -1, must be 0 or more", argument_error);
}

TEST_CASE("A damaged checkpoint changes neither the model nor what was kept") {
  static const dataset data = noise(8);
  temporary file;
  cpu device(1);
  two net(device, seed{3});
  best_weights<two> best(net, [] { return 0.5; });
  fit_options o{.epochs = 1, .batch = 4, .checkpoint = file.path};
  fit(net, data, clean_training{}, sgd{}, o, nullptr, &best);

  auto bytes = read_file(file.path);
  const auto weights = safetensors::parse(bytes, file.path).at(net.table().back().name).bytes;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes.data() + (weights.data() - bytes.data()), &nan, sizeof nan);
  write_file_atomically(file.path, std::vector<std::span<const std::byte>>{bytes});

  best.epoch = 7;  // what the checkpoint does not hold
  best.score = 0.7;
  best.values[0] = 0.25f;
  fill(device, 0.5f, net.values());
  const auto kept = best.values, learnt = copy_of(net.values());
  o.resume = true;
  CHECK_THROWS_WITH_AS(fit(net, data, clean_training{}, sgd{}, o, nullptr, &best), doctest::Contains("holds a NaN"),
                       file_error);
  CHECK(best.epoch == 7);
  CHECK(best.score == 0.7);
  CHECK(same_bits(best.values, kept));
  CHECK(same_bits(copy_of(net.values()), learnt));
}

TEST_CASE("Refused: another model, a score that is not a number, nothing to restore, a checkpoint that kept nothing") {
  static const dataset data = noise(8);
  cpu device(1);
  two net(device, seed{3}), other(device, seed{3});
  best_weights<two> best(net, [] { return std::numeric_limits<double>::quiet_NaN(); });
  CHECK_THROWS_AS(best.restore(), argument_error);
  CHECK_THROWS_AS(fit(other, data, clean_training{}, sgd{}, {.epochs = 1, .batch = 4}, nullptr, &best), argument_error);
  CHECK_THROWS_WITH_AS(fit(net, data, clean_training{}, sgd{}, {.epochs = 1, .batch = 4}, nullptr, &best),
                       "best_weights: the score of epoch 1 is not a number", numeric_error);
  temporary file;
  fit_options o{.epochs = 1, .batch = 4, .checkpoint = file.path, .resume = true};
  fit(net, data, clean_training{}, sgd{}, o);
  CHECK_THROWS_WITH_AS(fit(net, data, clean_training{}, sgd{}, o, nullptr, &best), doctest::Contains("another run"),
                       file_error);
}

}  // namespace best_weights_test
