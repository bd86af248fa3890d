#include "device_under_test.hpp"

#include <filesystem>
#include <optional>
#include <string>

#include <advprop/advprop.hpp>

#include "../models/harness.hpp"
#include "../training/lion.hpp"

namespace fit_test {

using namespace device_tests;
namespace fs = std::filesystem;

namespace {

using network = model<harness::small, domains<2>, cuda>;

const dataset& train_data() {
  static const dataset data = [] {
    dataset d;
    d.name = "noise";
    d.classes = 4;
    d.image_shape = {1, 8, 8};
    random_stream r(5);
    for (int n = 0; n < 18; ++n) {
      d.labels.push_back(n % 4);
      for (int i = 0; i < 64; ++i) d.pixels.push_back(static_cast<std::uint8_t>(r.below(256)));
    }
    d.check();
    return d;
  }();
  return data;
}

/// Waits within the step: its steps are not captured, and the host knows each loss before the update, as on a CPU.
template <class Method>
struct waiting : Method {
  template <class Model>
  step_metrics gradients(Model& net, std::span<const labelled_images> streams, const step_options& options) const {
    const step_metrics m = Method::gradients(net, streams, options);
    net.device().wait();
    return m;
  }
};

/// An optimizer of the user's, with an update that no guard holds back.
struct unknown {
  sgd base;
  float learning_rate = base.learning_rate;
  std::string description() const { return "unknown"; }

  template <class Model>
  struct state {
    static constexpr std::array slots{"velocity"};
    sgd::state<Model> own;
    Model* net;
    std::int64_t updates = 0;
    state(const unknown& o, Model& m) : own(o.base, m), net(&m) {}
    std::span<float> slot(int i) const { return own.slot(i); }
    void step(double factor) {
      own.step(factor);
      own.updates = ++updates;
      fill(net->device(), 1e-3f * static_cast<float>(updates), net->values().first(2));
    }
  };
};

std::vector<float> on_host(cuda& d, std::span<const float> numbers) {
  std::vector<float> v(numbers.size());
  memory_copy(d, numbers, v);
  return v;
}

struct outcome {
  std::vector<float> values, running, average, average_running;
  std::vector<double> losses;
  std::vector<std::int64_t> tracked;
  std::int64_t averaged = 0;
  std::string error;
  friend bool operator==(const outcome&, const outcome&) = default;
};

struct how {
  bool queue_ahead = true;
  int broken = -1;  // a pixel of this image, counted through the run, is NaN
  std::string checkpoint{};
  int checkpoint_steps = 0;
  int kill = 0;  // thrown out of the report of this step, from 1
  bool resume = false;
  bool eager_copies = false;
  int micro_batch = 0;
};
struct killed {};

/// Two epochs of five steps, the last one smaller. `states`: the learnt numbers that each report saw.
template <class Method, class Optimizer>
outcome train(const Method& method, const Optimizer& optimizer, const how& h,
              std::vector<std::vector<float>>* states = nullptr) {
#ifdef ADVPROP_GPU_TESTS  // one for all, or cuDNN would find its plans anew each time; never destroyed
  static cuda& d = *new cuda(0, float32_products::exact, engine_choice::fixed);
#else
  cuda d(0, float32_products::exact, engine_choice::fixed);  // another one rounds as this one does
#endif
  const early_copies setting(d, h.eager_copies);
  network net(d, seed{3});
  averaged_weights average(net, {.decay = 0.9});
  int images = 0;
  loader data(train_data(), {.batch = 4, .seed = seed{8}, .workers = 0}, [&](single_image image, random_stream& rng) {
    horizontal_flip{}(image, rng);
    if (images++ == h.broken) image(3, 3, 0) = NAN;
  });
  loader* const streams[] = {&data};
  fit_options options{.epochs = 2,
                      .micro_batch = h.micro_batch,
                      .label_smoothing = 0.1f,
                      .seed = seed{4},
                      .checkpoint = h.checkpoint,
                      .checkpoint_steps = h.checkpoint_steps,
                      .resume = h.resume,
                      .queue_ahead = h.queue_ahead};
  outcome o;
  options.on_step = [&](const step_report& r) {
    o.losses.push_back(r.metrics.parts[1].loss_sum);
    if (states) states->push_back(on_host(d, net.values()));
    if ((r.epoch - 1) * r.steps + r.step == h.kill) throw killed();
  };
  try {
    fit(net, std::span<loader* const>(streams), method, optimizer, options, &average);
  } catch (const numeric_error& e) {
    o.error = e.what();
  } catch (const killed&) {
  }
  o.values = on_host(d, net.values());
  o.running = on_host(d, net.running());
  o.average = on_host(d, average.values());
  o.average_running = on_host(d, average.running());
  for (int set = 0; set < 2; ++set) o.tracked.push_back(net.batches_tracked(set));
  o.averaged = average.updates;
  return o;
}

const adversarial_propagation method(attack::pgd{.epsilon = 4, .step = 2, .steps = 2});
const waiting<adversarial_propagation<attack::pgd>> waits{method};
const sgd plain{.learning_rate = 0.05f, .weight_decay = 1e-3f};

/// A file that goes with the test.
struct file {
  std::string path = (fs::temp_directory_path() / ("advprop_cuda_" + std::to_string(std::uintptr_t(this)))).string();
  ~file() { fs::remove(path); }
};

}  // namespace

TEST_CASE("Training that queues steps ahead is the same, to the bit, as training that waits in each") {
  const auto check = [](const auto& optimizer) {
    CAPTURE(optimizer.description());
    const outcome waited = train(waits, optimizer, {});
    CHECK(waited.losses.size() == 10);
    CHECK(waited.averaged == 10);
    CHECK(train(method, optimizer, {}) == waited);
    CHECK(train(method, optimizer, {.queue_ahead = false}) == waited);
    CHECK(train(method, optimizer, {.eager_copies = true}) == waited);
  };
  check(plain);
  check(sgd{.learning_rate = 0.1f, .nesterov = true, .clip_norm = 0.5f});
  check(rmsprop{});
  check(adamw{.learning_rate = 0.01f});
  check(unknown{plain});
#ifndef ADVPROP_GPU_TESTS  // a function of the user's needs nvcc there
  check(own_optimizer::lion{.weight_decay = 0.1f});
#endif
}

#ifndef ADVPROP_GPU_TESTS
TEST_CASE("What an optimizer of the user's does to weights reaches the copies that convolutions have of them") {
  cpu c(1);
  cuda d;
  model<harness::small, domains<2>, cpu> expected(c, seed{3});
  network net(d, seed{3});
  const auto images = harness::images(4);
  const auto logits = [&](auto& of) { return predict_logits(of, images.view()); };
  const auto before = logits(net);
  CHECK(harness::distance(before, logits(expected)) < 1e-4);
  const own_optimizer::lion optimizer{.learning_rate = 0.01f};
  own_optimizer::lion::state<network> there(optimizer, net);
  own_optimizer::lion::state<model<harness::small, domains<2>, cpu>> here(optimizer, expected);
  random_stream r(2);
  for (float& g : expected.gradients()) g = r.uniform(-1, 1);
  memory_copy(d, std::span<const float>(expected.gradients()), net.gradients());
  there.step();
  here.step();
  CHECK(harness::distance(logits(net), logits(expected)) < 1e-4);
  CHECK(harness::distance(logits(net), before) > 1e-2);
}
#endif

TEST_CASE("Micro-batches are queued and captured as their whole step is, with the same bits, and resume to them") {
  const auto check = [](const auto& own, const auto& waiting_for_it) {
    for (const int micro_batch : {1, 3}) {
      const outcome waited = train(waiting_for_it, plain, {.micro_batch = micro_batch});
      CHECK(waited.losses.size() == 10);
      CHECK(train(own, plain, {.micro_batch = micro_batch}) == waited);
      CHECK(train(own, plain, {.eager_copies = true, .micro_batch = micro_batch}) == waited);
      CHECK(train(own, plain, {}) != waited);
      CHECK(waited.tracked[0] == (micro_batch == 1 ? 36 : 18));  // batches of 4 and of 2 images

      const file f;
      train(own, plain, {.checkpoint = f.path, .checkpoint_steps = 2, .kill = 4, .micro_batch = micro_batch});
      outcome resumed =
          train(own, plain, {.checkpoint = f.path, .checkpoint_steps = 2, .resume = true, .micro_batch = micro_batch});
      CHECK(resumed.losses.size() == 8);
      resumed.losses = waited.losses;
      CHECK(resumed == waited);
    }
  };
  check(method, waits);
  adversarial_propagation concatenated = method;
  concatenated.execution = execution::concatenated;
  check(concatenated, waiting<decltype(concatenated)>{concatenated});
}

TEST_CASE("A loss that is not finite in any micro-batch stops a run at its step") {
  for (const int image : {4, 5, 7}) {  // of the second step
    std::vector<std::vector<float>> states;
    train(method, plain, {.queue_ahead = false, .micro_batch = 1}, &states);
    const outcome queued = train(method, plain, {.broken = image, .micro_batch = 1});
    CHECK(queued.error == "fit: the loss is not a finite number in epoch 1, step 2");
    CHECK(queued.values == states[0]);
    CHECK(queued.averaged == 1);
  }
}

TEST_CASE("A step in micro-batches is the CPU's") {
  cpu c(1);
  cuda d;
  model<harness::small, domains<2>, cpu> expected(c, seed{3});
  network net(d, seed{3});
  const auto images = harness::images(7);
  const auto labels = harness::labels(7);
  const labelled_images batch{images.view(), labels};
  const adversarial_propagation unattacked{attack::none{}};  // whose result depends on no sign of a number near zero
  const step_options options{0.1f, random_stream(3), 3};
  expected.zero_gradients();
  net.zero_gradients();
  const step_metrics x = unattacked.gradients(expected, {&batch, 1}, options);
  const step_metrics y = unattacked.gradients(net, {&batch, 1}, options);
  for (std::size_t i = 0; i < 2; ++i) CHECK(y.parts[i].loss() == doctest::Approx(x.parts[i].loss()).epsilon(1e-5));
  CHECK(harness::distance(on_host(d, net.gradients()), expected.gradients()) < 1e-4);
  CHECK(harness::distance(on_host(d, net.running()), expected.running()) < 1e-5);
}

TEST_CASE("A step is queued before the losses of the one before are read, unless that is not wanted") {
  std::vector<std::vector<float>> ahead, in_step;
  train(method, plain, {}, &ahead);
  train(method, plain, {.queue_ahead = false}, &in_step);
  REQUIRE(ahead.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    const bool last = i % 5 == 4;  // of an epoch
    CHECK((ahead[i] == in_step[i]) == last);
    if (!last) CHECK(ahead[i] == in_step[i + 1]);
  }
}

TEST_CASE("A loss that is not finite stops a run at its step, whatever was queued behind it") {
  const std::size_t per_epoch = 18;
  struct {
    int image, epoch, step;
  } const cases[] = {{4, 1, 2}, {13, 1, 4}, {17, 1, 5}, {int(per_epoch) + 5, 2, 2}};
  const file f;
  for (const auto& c : cases) {
    CAPTURE(c.image);
    const auto check = [&](const auto& optimizer) {
      CAPTURE(optimizer.description());
      std::vector<std::vector<float>> states;
      train(method, optimizer, {.queue_ahead = false}, &states);
      const outcome waited = train(waits, optimizer, {.broken = c.image});
      const outcome queued = train(method, optimizer, {.broken = c.image});
      const int before = (c.epoch - 1) * 5 + c.step - 1;
      CHECK(queued.error == "fit: the loss is not a finite number in epoch " + std::to_string(c.epoch) + ", step " +
                                std::to_string(c.step));
      if (before > 0) CHECK(queued.values == states[std::size_t(before - 1)]);
      CHECK(queued.averaged == before);
      CHECK(queued.tracked == std::vector<std::int64_t>(2, before + 1));
      // Running statistics are those of the step's own passes, as always: NaN there.
      for (outcome o : {waited, queued}) CHECK(std::isnan(o.running[0]));
      CHECK(distance(queued.average, waited.average) == 0);
      CHECK(queued.average_running == waited.average_running);
      CHECK(queued.values == waited.values);
      CHECK(queued.losses == waited.losses);
      CHECK(queued.error == waited.error);
      CHECK(queued.tracked == waited.tracked);
    };
    check(plain);
    check(adamw{.learning_rate = 0.01f, .clip_norm = 1});
    check(rmsprop{});
    check(unknown{plain});
  }
}

TEST_CASE("A checkpoint never holds a step whose losses were not read, and resumes to the same bits") {
  const file f;
  const outcome whole = train(method, plain, {});
  struct {
    int checkpoint_steps, kill, resumed_at;
  } const cases[] = {{1, 3, 2}, {2, 4, 2}, {2, 6, 5}, {0, 8, 5}};
  for (const auto& c : cases) {
    CAPTURE(c.kill);
    fs::remove(f.path);
    train(method, plain, {.checkpoint = f.path, .checkpoint_steps = c.checkpoint_steps, .kill = c.kill});
    outcome resumed =
        train(method, plain, {.checkpoint = f.path, .checkpoint_steps = c.checkpoint_steps, .resume = true});
    CHECK(int(resumed.losses.size()) == 10 - c.resumed_at);
    resumed.losses = whole.losses;
    CHECK(resumed == whole);
  }
  fs::remove(f.path);
  const outcome broken = train(method, plain, {.broken = 9, .checkpoint = f.path, .checkpoint_steps = 1});
  CHECK(broken.error.find("step 3; the last good state is in " + f.path) != std::string::npos);
  CHECK(archive::read(f.path).get<int>("step") == 2);
}

#ifndef ADVPROP_GPU_TESTS
TEST_CASE("Between the first steps and the last the host waits for nothing but losses") {
  cuda d;
  network net(d, seed{3});
  averaged_weights average(net);
  long waited = 0, last = 0;
  const long before = d.counts().graph_updates;
  fit_options o{.epochs = 1, .batch = 2};
  o.on_step = [&](const step_report& r) {
    if (r.step == 1) waited = host_waits(d);
    last = host_waits(d);
  };
  fit(net, train_data(), method, rmsprop{.clip_norm = 1}, o, &average);
  CHECK(last == waited);
  CHECK(d.counts().graph_updates - before == 7);  // of nine steps one was learnt from and one became the graph

  // Nor with micro-batches, of which a step has one graph as well.
  const long whole = d.counts().graph_updates;
  o.micro_batch = 1;
  fit(net, train_data(), method, rmsprop{.clip_norm = 1}, o, &average);
  CHECK(last == waited);
  CHECK(d.counts().graph_updates - whole == 7);
}

TEST_CASE("An epoch's last batch, which is smaller, has a graph of its own") {
  cuda d;
  network net(d, seed{3});
  loader batches(train_data(), {.batch = 5});
  REQUIRE(batches.batches() == 4);
  const long before = d.counts().graph_updates;
  fit(net, batches, method, sgd{}, {.epochs = 3});
  CHECK(d.counts().graph_updates - before ==
        7 + 1);  // of nine steps one is learnt from and one becomes the graph; so of three
}
#endif

}  // namespace fit_test
