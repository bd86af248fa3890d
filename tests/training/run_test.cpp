// Whole runs: interrupted and resumed, on one thread and on several, with a loss that goes wrong.
#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/training/evaluate.hpp>
#include <advprop/training/fit.hpp>

#include "../models/harness.hpp"

namespace run_test {

using namespace advprop;
using harness::small_model;

namespace {

struct temporary {
  std::string path = "run_test_" + std::to_string(::getpid()) + ".safetensors";
  ~temporary() { std::remove(path.c_str()); }
};

dataset some_data(int count = 40) {
  const auto images = harness::images(count);
  const auto labels = harness::labels(count);
  dataset d;
  d.name = "noise";
  d.classes = 4;
  d.image_shape = {1, 8, 8};
  for (float v : images) d.pixels.push_back(static_cast<std::uint8_t>(v * 255));
  d.labels.assign(labels.begin(), labels.end());
  return d;
}

const adversarial_propagation<attack::pgd> method(attack::pgd{.epsilon = 8, .step = 4, .steps = 2});
const sgd optimizer{.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 1e-3f};

struct killed : std::runtime_error {
  killed() : std::runtime_error("killed") {}
};

struct result {
  std::vector<float> values, running;
  std::int64_t tracked;
};

/// Two epochs of five steps; `stop_after` steps of the whole run it is thrown out, as if killed.
result train(const std::string& checkpoint, bool resume, int stop_after = 0, int threads = 2) {
  cpu device(threads);
  small_model<> net(device, seed{3});
  const dataset data = some_data();
  loader batches(data, {.batch = 8, .seed = seed{4}, .workers = 2}, pipeline(pad_crop{1}, horizontal_flip{}));
  int steps = 0;
  fit_options o;
  o.epochs = 2;
  o.seed = seed{5};
  o.label_smoothing = 0.1f;
  o.checkpoint = checkpoint;
  o.checkpoint_steps = 1;
  o.resume = resume;
  o.on_step = [&](const step_report&) {
    if (++steps == stop_after) throw killed();
  };
  fit(net, batches, method, optimizer, o);
  return {harness::copy_of(net.values()), harness::copy_of(net.running()), net.batches_tracked(1)};
}

}  // namespace

TEST_CASE("A run that is stopped after any step and resumed ends in the same bits") {
  const result whole = train("", false);
  CHECK(whole.tracked == 10);
  for (int stop : {1, 2, 4, 5, 6, 9, 10}) {
    CAPTURE(stop);
    temporary file;
    CHECK_THROWS_AS(train(file.path, false, stop), killed);
    // The step that was thrown out of was not saved: one is repeated.
    const result resumed = train(file.path, true);
    CHECK(harness::same_bits(whole.values, resumed.values));
    CHECK(harness::same_bits(whole.running, resumed.running));
    CHECK(whole.tracked == resumed.tracked);
  }
}

TEST_CASE("One seed gives the same weights on one thread and on three") {
  const result one = train("", false, 0, 1), three = train("", false, 0, 3);
  CHECK(harness::same_bits(one.values, three.values));
  CHECK(harness::same_bits(one.running, three.running));
}

TEST_CASE("A checkpoint of another run is refused, and says what differs") {
  temporary file;
  train(file.path, false);
  cpu device(1);
  small_model<> net(device, seed{3});
  const auto before = harness::copy_of(net.values());
  const dataset data = some_data();
  loader batches(data, {.batch = 8, .seed = seed{4}});
  fit_options o;
  o.epochs = 3;
  o.seed = seed{5};
  o.checkpoint = file.path;
  o.resume = true;
  CHECK_THROWS_WITH_AS(fit(net, batches, method, optimizer, o), doctest::Contains("another run"), file_error);
  CHECK(harness::same_bits(before, harness::copy_of(net.values())));
}

TEST_CASE("A loss that is not a number stops the run before the weights change and keeps the last checkpoint") {
  temporary file;
  cpu device(1);
  small_model<> net(device, seed{3});
  const dataset data = some_data();
  loader batches(data, {.batch = 8, .seed = seed{4}});
  std::vector<float> good;
  fit_options o;
  o.epochs = 2;
  o.checkpoint = file.path;
  o.checkpoint_steps = 2;
  int steps = 0;
  o.on_step = [&](const step_report&) {
    if (++steps < 3) return;
    for (const parameter& p : net.table())
      if (p.name == "fc.bias") net[p][0] = std::numeric_limits<float>::quiet_NaN();
    good = harness::copy_of(net.values());
  };
  CHECK_THROWS_WITH_AS(fit(net, batches, method, optimizer, o), doctest::Contains(file.path.c_str()), numeric_error);
  CHECK(steps == 3);
  CHECK(harness::same_bits(good, harness::copy_of(net.values())));  // step 4 did not touch them
  const archive saved = archive::read(file.path);
  CHECK(saved.get<std::int64_t>("step") == 2);
  for (float v : saved.floats("fc.bias")) CHECK(std::isfinite(v));
}

TEST_CASE("The loss is the sum of the domains' means times their weights") {
  cpu device(1);
  small_model<harness::three> net(device, seed{3});
  const auto images = harness::images(6);
  const auto labels = harness::labels(6);
  const labelled_images streams[] = {{images.view(), labels.view()}};
  const auto gradients = [&](float clean, float first, float second, execution how) {
    adversarial_propagation m(attack::none{}, attack::none{});
    m.clean_weight = clean;
    m.auxiliary[0].weight = first;
    m.auxiliary[1].weight = second;
    m.execution = how;
    net.zero_gradients();
    m.gradients(net, streams, step_options{});
    return harness::copy_of(net.gradients().first(net.decayed()));
  };
  const auto c = gradients(1, 0, 0, execution::sequential), a = gradients(0, 1, 0, execution::sequential);
  for (auto how : {execution::sequential, execution::concatenated}) {
    const auto all = gradients(1, 2, 0.5f, how);  // all three domains see the same images and start alike
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      worst = std::max(worst, std::fabs(static_cast<double>(all[i]) - (c[i] + 2.5 * a[i])));
      largest = std::max(largest, std::fabs(static_cast<double>(all[i])));
    }
    CHECK(largest > 1e-3);
    CHECK(worst < 1e-5 * largest);
  }
}

TEST_CASE("Each auxiliary domain reads its own data stream, and a stream that is not there is refused") {
  cpu device(1);
  small_model<> net(device, seed{3});
  const auto a = harness::images(6), b = harness::images(4, 8, 1, 9);
  const auto la = harness::labels(6), lb = harness::labels(4);
  const labelled_images streams[] = {{a.view(), la.view()}, {b.view(), lb.view()}};
  adversarial_propagation m(attack::none{});
  m.auxiliary[0].stream = 1;
  CHECK(m.streams() == 2);
  const step_metrics r = m.gradients(net, streams, step_options{});
  CHECK(r.parts[0].images == 6);
  CHECK(r.parts[1].images == 4);
  m.auxiliary[0].stream = 2;
  CHECK_THROWS_WITH_AS(m.gradients(net, streams, step_options{}), doctest::Contains("data stream 2 of 2"),
                       argument_error);
}

TEST_CASE("Adversarial training mixes its images in one batch norm, or leaves the clean ones out") {
  cpu device(1);
  const auto images = harness::images(6);
  const auto labels = harness::labels(6);
  const labelled_images streams[] = {{images.view(), labels.view()}};
  small_model<domains<1>> mixed(device, seed{3}), alone(device, seed{3});
  adversarial_training m(attack::fgsm{.epsilon = 16});
  const step_metrics both = m.gradients(mixed, streams, step_options{});
  CHECK(both.count == 2);
  CHECK(mixed.batches_tracked(0) == 1);  // one batch of twelve
  m.mixture = false;
  const step_metrics one = m.gradients(alone, streams, step_options{});
  CHECK(one.count == 1);
  CHECK(one.parts[0].images == 6);
  CHECK_FALSE(harness::same_bits(harness::copy_of(mixed.running()), harness::copy_of(alone.running())));
}

TEST_CASE("Weight decay spares biases and batch norms") {
  cpu device(1);
  small_model<> net(device, seed{3});
  harness::scramble(net);
  const auto before = harness::copy_of(net.values());
  sgd::state<small_model<>> state(sgd{.learning_rate = 1, .momentum = 0, .weight_decay = 0.25f}, net);
  net.zero_gradients();
  state.step();
  for (const parameter& p : net.table()) {
    if (p.role == role::mean || p.role == role::variance) continue;
    for (std::size_t i = 0; i < p.count; ++i)
      CHECK(net[p][i] == (p.role == role::weight ? 0.75f : 1.f) * before[p.offset + i]);
  }
}

TEST_CASE("Training learns: images whose class is their brightness") {
  dataset data = some_data(64);
  for (int i = 0; i < 64; ++i)
    for (int j = 0; j < 64; ++j)
      data.pixels[static_cast<std::size_t>(64 * i + j)] =
          static_cast<std::uint8_t>(60 * data.labels[static_cast<std::size_t>(i)] + 10 + j % 5);
  cpu device(2);
  small_model<> net(device, seed{3});
  double first = 0, last = 0;
  fit_options o;
  o.epochs = 30;
  o.batch = 16;
  o.on_epoch = [&](const epoch_report& r) { (r.epoch == 1 ? first : last) = r.metrics.parts[0].loss(); };
  fit(net, data, adversarial_propagation(attack::pgd{.epsilon = 2, .step = 2, .steps = 1}), sgd{.learning_rate = 0.1f},
      o);
  CHECK(last < 0.5 * first);
  const evaluation e = evaluate(net, data);
  CHECK(e.total.accuracy() > 0.9);
  long diagonal = 0, all = 0;
  for (int i = 0; i < 16; ++i) {
    all += e.confusion[static_cast<std::size_t>(i)];
    if (i % 5 == 0) diagonal += e.confusion[static_cast<std::size_t>(i)];
  }
  CHECK(all == 64);
  CHECK(diagonal == e.total.correct);
}

}  // namespace run_test
