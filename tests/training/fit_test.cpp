#include <advprop/training/fit.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string>

#include "../models/harness.hpp"

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/none.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/data/augment.hpp>
#include <advprop/training/evaluate.hpp>

namespace fit_test {

using namespace harness;
namespace fs = std::filesystem;

namespace {

using two = small_model<domains<2>>;
using triple = small_model<three>;

/// A folder that goes with the test.
struct folder {
  fs::path path = fs::temp_directory_path() / ("advprop_fit_" + std::to_string(reinterpret_cast<std::uintptr_t>(this)));
  folder() {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

/// Four classes: the quarter of an 8x8 image that is bright.
dataset quarters(int count) {
  dataset data;
  data.name = "quarters";
  data.classes = 4;
  data.image_shape = {1, 8, 8};
  random_stream r(5);
  for (int n = 0; n < count; ++n) {
    data.labels.push_back(n % 4);
    for (int i = 0; i < 64; ++i) {
      const int quarter = i / 32 * 2 + i % 8 / 4;
      data.pixels.push_back(static_cast<std::uint8_t>(r.below(120) + (quarter == n % 4 ? 100 : 0)));
    }
  }
  data.check();
  return data;
}

/// Does not say what it does.
struct silent_attack {
  void perturb(auto&, auto&, const auto&, random_stream&) const {}
};

struct killed {};

/// Trains nothing; keeps the randomness that each step got.
struct watch {
  std::vector<std::uint64_t>* seen;
  int parts() const { return 0; }
  int streams() const { return 1; }
  std::string part_name(int) const { return "none"; }
  step_metrics gradients(auto&, std::span<const labelled_images>, const step_options& options) const {
    seen->push_back(options.rng.stream());
    return {};
  }
};

struct outcome {
  std::vector<float> values, running, slots, average;
  std::vector<std::int64_t> tracked;
  std::vector<double> losses;
  friend bool operator==(const outcome&, const outcome&) = default;
};

const dataset& train_data() {
  static const dataset d = quarters(20);
  return d;
}

/// Two epochs of five steps; thrown out of step `kill` (from 1, of the run) when that is positive.
template <class Optimizer>
outcome run_with(const Optimizer& optimizer, bool averaged, const std::string& checkpoint, int checkpoint_steps,
                 int kill, bool resume, int threads = 1, int workers = 0) {
  cpu d(threads);
  triple m(d, seed{3});
  loader clean(train_data(), {.batch = 4, .seed = seed{8}, .workers = workers},
               pipeline(pad_crop{1}, horizontal_flip{}), mix{0.4f, 0.4f});
  loader other(train_data(), {.batch = 3, .seed = seed{8}, .augment_stream = 1, .workers = workers}, horizontal_flip{});
  adversarial_propagation method{attack::pgd{.epsilon = 8, .step = 3, .steps = 2, .clean_start = 0.3f}, attack::none{}};
  method.auxiliary[1].stream = 1;
  outcome o;
  fit_options options{.epochs = 2,
                      .schedule = schedule::cosine().warmed_up(0.5),
                      .label_smoothing = 0.1f,
                      .seed = seed{4},
                      .checkpoint = checkpoint,
                      .checkpoint_steps = checkpoint_steps,
                      .resume = resume,
                      .run = "quarters"};
  int steps = 0;
  options.on_step = [&](const step_report& r) {
    o.losses.push_back(r.metrics.parts[1].loss_sum);
    if ((r.epoch - 1) * r.steps + r.step == kill) throw killed();
    ++steps;
  };
  loader* const streams[] = {&clean, &other};
  const std::span<loader* const> data(streams);
  averaged_weights average(m, {.decay = 0.9});
  averaged_weights<triple>* const followed = averaged ? &average : nullptr;
  if (kill > 0) {
    CHECK_THROWS_AS(fit(m, data, method, optimizer, options, followed), killed);
    return o;
  }
  fit(m, data, method, optimizer, options, followed);
  o.values = copy_of(m.values());
  o.running = copy_of(m.running());
  for (int i = 0; i < 3; ++i) o.tracked.push_back(m.batches_tracked(i));
  const archive file = archive::read(checkpoint);
  for (const char* name : Optimizer::template state<triple>::slots)
    for (float v : file.floats(std::string("training.") + name)) o.slots.push_back(v);
  CHECK(file.get<int>("updates") == 10);
  if (averaged) {
    o.average = copy_of(average.values());
    o.average.insert(o.average.end(), average.running().begin(), average.running().end());
    CHECK(average.updates == 10);
  }
  return o;
}

outcome run(const std::string& checkpoint, int checkpoint_steps, int kill, bool resume, int threads = 1,
            int workers = 0) {
  return run_with(sgd{.learning_rate = 0.05f, .weight_decay = 1e-3f, .nesterov = true}, false, checkpoint,
                  checkpoint_steps, kill, resume, threads, workers);
}

/// Four numbers to keep, none of them of the model's size, and a learning rate that grows with every update.
struct growing {
  float learning_rate = 0.01f;
  std::string description() const { return "growing"; }

  template <class Model>
  struct state {
    static constexpr std::array slots{"sum"};
    std::int64_t updates = 0;
    Model* net;
    float rate;
    mutable std::array<float, 4> sums{};

    state(const growing& o, Model& m) : net(&m), rate(o.learning_rate) {}
    std::span<float> slot(int) const { return sums; }
    void step(double factor) {
      ++updates;
      for (std::size_t i = 0; i < net->values().size(); ++i) {
        sums[i % 4] += net->gradients()[i];
        net->values()[i] -= rate * static_cast<float>(factor * double(updates)) * (net->gradients()[i] + sums[i % 4]);
      }
    }
  };
};
static_assert(optimizer_policy<growing, triple>);
static_assert(!optimizer_policy<watch, triple>);

}  // namespace

TEST_CASE("A run that was killed and resumed ends in the same bits as one that was not") {
  const folder f;
  const outcome whole = run(f.file("whole"), 0, 0, false);
  REQUIRE(whole.losses.size() == 10);
  CHECK(whole.tracked == std::vector<std::int64_t>{10, 10, 10});
  struct {
    int checkpoint_steps, kill, resumed_at;
  } const cases[] = {{1, 1, 0}, {1, 3, 2}, {2, 5, 4}, {0, 8, 5}, {1, 10, 9}, {3, 4, 3}};
  for (const auto& c : cases) {
    CAPTURE(c.kill);
    const std::string path = f.file("killed");
    fs::remove(path);
    run(path, c.checkpoint_steps, c.kill, false);
    outcome resumed = run(path, c.checkpoint_steps, 0, true);
    CHECK(static_cast<int>(resumed.losses.size()) == 10 - c.resumed_at);
    CHECK(std::equal(resumed.losses.begin(), resumed.losses.end(), whole.losses.begin() + c.resumed_at));
    resumed.losses = whole.losses;
    CHECK(resumed == whole);
  }
}

TEST_CASE("Every optimizer, with and without an average, resumes to the same bits on any number of threads") {
  const folder f;
  const auto check = [&](const auto& optimizer) {
    CAPTURE(optimizer.description());
    for (const bool averaged : {false, true}) {
      const std::string path = f.file("killed");
      const outcome whole = run_with(optimizer, averaged, f.file("whole"), 0, 0, false);
      CHECK(whole.losses.size() == 10);
      for (float v : whole.values) REQUIRE(std::isfinite(v));
      CHECK(whole.average.empty() != averaged);
      for (const int kill : {1, 3, 7}) {
        CAPTURE(kill);
        fs::remove(path);
        run_with(optimizer, averaged, path, 1, kill, false);
        outcome resumed = run_with(optimizer, averaged, path, 1, 0, true, 2);
        CHECK(static_cast<int>(resumed.losses.size()) == 11 - kill);
        resumed.losses = whole.losses;
        CHECK(resumed == whole);
      }
    }
  };
  check(sgd{.learning_rate = 0.05f});
  check(rmsprop{.weight_decay = 1e-3f});
  check(adamw{.learning_rate = 0.01f, .clip_norm = 1});
  check(growing{});
}

TEST_CASE("An average changes nothing in the training, and is that of its steps") {
  const folder f;
  const rmsprop optimizer{.learning_rate = 0.004f};
  const outcome without = run_with(optimizer, false, f.file("a"), 0, 0, false);
  outcome with = run_with(optimizer, true, f.file("b"), 0, 0, false);
  CHECK(with.average.size() == with.values.size() + with.running.size());
  CHECK_FALSE(same_bits(std::span(with.average).first(with.values.size()), with.values));
  with.average.clear();
  CHECK(with == without);

  cpu d(1);
  two m(d);
  averaged_weights average(m, {.decay = 0.7});
  std::vector<double> expected(m.values().begin(), m.values().end());
  int t = 0;
  fit_options o{.epochs = 2, .batch = 5};
  o.on_step = [&](const step_report&) {
    ++t;
    const double decay = std::min(0.7, (1.0 + t) / (10.0 + t));
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = decay * expected[i] + (1 - decay) * m.values()[i];
  };
  double loss = 0;
  o.on_epoch = [&](const epoch_report&) {  // may look at the average
    const auto swapped = average.swap();
    loss = evaluate(m, train_data()).total.loss();
  };
  fit(m, train_data(), clean_training{}, sgd{}, o, &average);
  CHECK(t == 8);
  CHECK(distance(average.values(), expected) < 1e-6);
  CHECK(loss != evaluate(m, train_data()).total.loss());
  const auto swapped = average.swap();
  CHECK(loss == evaluate(m, train_data()).total.loss());
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, o, &average), doctest::Contains("the average"),
                       argument_error);
  two other(d);
  CHECK_THROWS_WITH_AS(fit(other, train_data(), clean_training{}, sgd{}, o, &average), doctest::Contains("the average"),
                       argument_error);
}

TEST_CASE("A checkpoint knows its optimizer, its schedule and its average") {
  const folder f;
  cpu d(1);
  two m(d);
  averaged_weights average(m, {.decay = 0.5}), longer(m, {.decay = 0.6}), sudden(m, {.decay = 0.5, .warm_up = false});
  fit_options o{.epochs = 1, .batch = 5, .schedule = schedule::staircase(), .checkpoint = f.file("c"), .resume = true};
  const rmsprop optimizer{};
  fit(m, train_data(), clean_training{}, optimizer, o, &average);
  const snapshot before(m);
  const auto refused = [&](const fit_options& options, const auto& other, averaged_weights<two>* follower) {
    CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, other, options, follower),
                         doctest::Contains("is the checkpoint of another run"), file_error);
    CHECK(snapshot(m) == before);
  };
  const auto difference = [&](const fit_options& options, averaged_weights<two>* follower, const std::string& said) {
    CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, optimizer, options, follower),
                         (f.file("c") + ": is the checkpoint of another run: " + said).c_str(), file_error);
  };
  fit_options smoothed = o;
  smoothed.label_smoothing = 0.1f;
  difference(smoothed, &average, "it has \"smoothing 0\", this one \"smoothing 0.1\"");
  difference(smoothed, nullptr, "it has \"smoothing 0; average 0.5 warm-up\", this one \"smoothing 0.1\"");
  difference(o, nullptr, "it has \"average 0.5 warm-up\", which this one has not");
  fit_options cut = o;
  cut.micro_batch = 2;
  difference(cut, &average, "it has not \"micro-batch 2\", as this one");
  refused(o, adamw{}, &average);
  refused(o, sgd{}, &average);
  refused(o, rmsprop{.epsilon = 2e-3f}, &average);
  refused(o, rmsprop{.decay_rule = decay_rule::weights}, &average);
  refused(o, optimizer, nullptr);
  refused(o, optimizer, &longer);
  refused(o, optimizer, &sudden);
  for (auto change :
       {+[](schedule& s) { s.every = 2.5; }, +[](schedule& s) { s.decay = 0.98; }, +[](schedule& s) { s.warm_up = 4; },
        +[](schedule& s) { s.kind = schedule::shape::exponential; }}) {
    fit_options other = o;
    change(other.schedule);
    refused(other, optimizer, &average);
  }
  CHECK_NOTHROW(fit(m, train_data(), clean_training{}, optimizer, o, &average));
  CHECK(average.updates == 4);
}

TEST_CASE("A run killed twice, on other numbers of threads, ends in the same bits too; a finished one stays finished") {
  const folder f;
  outcome whole = run(f.file("whole"), 0, 0, false), parallel = run(f.file("parallel"), 0, 0, false, 2, 2);
  CHECK(parallel == whole);
  run(f.file("a"), 1, 3, false, 1, 2);
  run(f.file("a"), 1, 7, true, 2, 1);
  outcome resumed = run(f.file("a"), 1, 0, true, 1, 0);
  CHECK(resumed.losses.size() == 4);
  resumed.losses = whole.losses;
  CHECK(resumed == whole);
  outcome again = run(f.file("a"), 1, 0, true);
  CHECK(again.losses.empty());
  again.losses = whole.losses;
  CHECK(again == whole);
}

TEST_CASE(
    "A finished run is gone on with for more epochs, to the same bits, where the schedule does not depend on them") {
  const folder f;
  const auto train = [&](int epochs, const schedule& rates, bool resume) {
    cpu d(1);
    two m(d, seed{3});
    std::vector<int> seen;
    fit_options o{.epochs = epochs, .batch = 5, .schedule = rates, .checkpoint = f.file("c"), .resume = resume};
    o.on_epoch = [&](const epoch_report& r) { seen.push_back(r.epoch); };
    fit(m, train_data(), clean_training{}, sgd{}, o);
    return std::pair(copy_of(m.values()), seen);
  };
  for (const schedule& rates : {schedule::constant(), schedule::step({1, 2}), schedule::staircase().warmed_up(1)}) {
    CHECK(!rates.by_length());
    const auto whole = train(4, rates, false);
    train(2, rates, false);
    const auto longer = train(4, rates, true);
    CHECK(same_bits(longer.first, whole.first));
    CHECK(longer.second == std::vector{3, 4});
    CHECK_THROWS_WITH_AS(train(3, rates, true), ("fit: epochs is 3, and " + f.file("c") + " has trained 4").c_str(),
                         argument_error);
  }
  train(2, schedule::cosine(), false);
  CHECK_THROWS_WITH_AS(train(4, schedule::cosine(), true), doctest::Contains("epochs 2"), file_error);
}

TEST_CASE("Every step of a run has randomness of its own, which follows from the seed") {
  cpu d(1);
  two m(d);
  const auto streams = [&](std::uint64_t s) {
    std::vector<std::uint64_t> seen;
    fit(m, train_data(), watch{&seen}, sgd{}, {.epochs = 2, .batch = 5, .seed = seed{s}});
    return seen;
  };
  auto once = streams(1);
  CHECK(once.size() == 8);
  CHECK(streams(1) == once);
  CHECK(streams(2) != once);
  std::sort(once.begin(), once.end());
  CHECK(std::adjacent_find(once.begin(), once.end()) == once.end());
}

TEST_CASE("Without resume, or without a file, a run starts at its beginning") {
  const folder f;
  const outcome whole = run(f.file("whole"), 0, 0, true);
  run(f.file("killed"), 1, 7, false);
  CHECK(run(f.file("killed"), 1, 0, false) == whole);
}

TEST_CASE("Images that are not in [0, 1] are refused before anything is learnt") {
  struct bytes_as_floats {
    int classes = 4;
    float worst = 255;
    int size() const { return 8; }
    shape image() const { return {1, 8, 8}; }
    int label(int i) const { return i % 4; }
    void read(int i, float* out) const { std::fill_n(out, 64, i == 5 ? worst : 0.5f); }
  };
  cpu d(1);
  two m(d);
  const snapshot before(m);
  for (const float worst : {255.f, -0.5f, NAN}) {
    const bytes_as_floats data{.worst = worst};
    CHECK_THROWS_WITH_AS(fit(m, data, clean_training{}, sgd{}, {.epochs = 1, .batch = 8}),
                         doctest::Contains("of the batch is outside [0, 1]"), argument_error);
    CHECK_THROWS_WITH_AS(evaluate(m, data), doctest::Contains("in image 5 of the batch is outside [0, 1]"),
                         argument_error);
  }
  CHECK(snapshot(m) == before);
}

TEST_CASE("A diverging run without a checkpoint yet names none") {
  const folder f;
  cpu d(1);
  two m(d);
  std::string what;
  try {
    fit(m, train_data(), clean_training{}, sgd{.learning_rate = 1e30f},
        {.epochs = 2, .batch = 4, .checkpoint = f.file("none")});
  } catch (const numeric_error& e) {
    what = e.what();
  }
  CHECK(what.starts_with("fit: the loss is not a finite number in epoch 1, step "));
  CHECK(what.find("last good state") == std::string::npos);
}

TEST_CASE("A checkpoint is refused by a run with other options, and says which") {
  const folder f;
  cpu d(1);
  two m(d);
  const std::string path = f.file("c");
  const fit_options good{.epochs = 2, .batch = 5, .checkpoint = path, .run = "mine"};
  const auto train = [&](const fit_options& o) { fit(m, train_data(), clean_training{}, sgd{}, o); };
  train(good);
  const snapshot before(m);
  const auto refused = [&](auto change, const char* text) {
    fit_options o = good;
    o.resume = true;
    change(o);
    CHECK_THROWS_WITH_AS(train(o), doctest::Contains(text), file_error);
    CHECK_THROWS_WITH_AS(train(o), doctest::Contains("is the checkpoint of another run"), file_error);
    CHECK(snapshot(m) == before);
  };
  refused([](auto& o) { o.epochs = 3; }, "epochs 3");
  refused([](auto& o) { o.batch = 4; }, "batch 4");
  refused([](auto& o) { o.seed = seed{1}; }, "seed 1");
  refused([](auto& o) { o.label_smoothing = 0.5f; }, "smoothing 0.5");
  refused([](auto& o) { o.schedule = schedule::constant(); }, "schedule 0");
  refused([](auto& o) { o.schedule.warm_up = 1; }, path.c_str());
  refused([](auto& o) { o.run = "yours"; }, "yours");
  fit_options slower = good;
  slower.resume = true;
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{.layer_rates = {{"fc", 0.5f}}}, slower),
                       doctest::Contains("layer_rates fc 0.5"), file_error);
  fit_options same = good;
  same.resume = true;
  CHECK_NOTHROW(train(same));
  CHECK(snapshot(m) == before);
  triple other(d);
  CHECK_THROWS_AS(fit(other, train_data(), clean_training{}, sgd{}, same), file_error);
  for (loader_options o : {loader_options{.augment_stream = 1}, loader_options{.shuffle = false}}) {
    o.batch = 5;
    loader differs(train_data(), o);
    CHECK_THROWS_WITH_AS(fit(m, differs, clean_training{}, sgd{}, same),
                         doctest::Contains("is the checkpoint of another run"), file_error);
  }
}

TEST_CASE("A checkpoint is refused by a run with another method or another attack, and the message says which") {
  const folder f;
  cpu d(1);
  two m(d);
  fit_options o{.epochs = 1, .batch = 5, .checkpoint = f.file("c")};
  adversarial_propagation method(attack::pgd{.steps = 2});
  fit(m, train_data(), method, sgd{}, o);
  o.resume = true;
  CHECK_NOTHROW(fit(m, train_data(), method, sgd{}, o));
  const auto refused = [&](const auto& other, const char* text) {
    CHECK_THROWS_WITH_AS(fit(m, train_data(), other, sgd{}, o), doctest::Contains(text), file_error);
  };
  refused(clean_training{}, "method clean");
  refused(adversarial_training(attack::pgd{.steps = 2}), "adversarial mixture 1");
  refused(adversarial_propagation(attack::pgd{.steps = 3}), "steps 3");
  refused(adversarial_propagation(attack::pgd{.steps = 2, .goal = attack::goal::least_likely}), "goal 2");
  refused(adversarial_propagation(attack::ifgsm{.steps = 2}), "ifgsm epsilon 4 step 2 steps 2");
  refused(adversarial_propagation(silent_attack{}), "an attack without description");
  method.auxiliary[0].weight = 0.5f;
  refused(method, "weight 0.5");
}

TEST_CASE("A loss that is not finite stops the run before the weights change and keeps the last checkpoint") {
  const folder f;
  cpu d(1);
  two m(d);
  const std::string path = f.file("c");
  std::vector<float> poisoned;
  fit_options o{.epochs = 3, .batch = 5, .checkpoint = path};
  int steps = 0;
  o.on_step = [&](const step_report&) {
    if (++steps < 6) return;
    tensor_of(m, "fc.bias")[1] = NAN;
    poisoned = copy_of(m.values());
  };
  CHECK_THROWS_WITH_AS(
      fit(m, train_data(), clean_training{}, sgd{}, o),
      ("fit: the loss is not a finite number in epoch 2, step 3; the last good state is in " + path).c_str(),
      numeric_error);
  CHECK(steps == 6);
  CHECK(same_bits(m.values(), poisoned));
  CHECK(archive::read(path).get<int>("epoch") == 1);
  for (float v : safetensors::read(path).floats("fc.bias")) CHECK(std::isfinite(v));
}

TEST_CASE("Weights and statistics that are not finite never replace a good checkpoint") {
  const folder f;
  const std::string path = f.file("c");
  for (const char* name : {"bn1.weight", "bn1.aux_bn.0.running_var"}) {
    cpu d(1);
    two m(d);
    fs::remove(path);
    fit_options o{.epochs = 3, .batch = 5, .checkpoint = path, .checkpoint_steps = 1};
    int steps = 0;
    o.on_step = [&](const step_report&) {
      if (++steps == 6) tensor_of(m, name)[1] = INFINITY;
    };
    CHECK_THROWS_WITH_AS(
        fit(m, train_data(), clean_training{}, sgd{}, o),
        ("fit: after 6 steps the weights or statistics are not finite; the last good state is in " + path).c_str(),
        numeric_error);
    CHECK(archive::read(path).get<int>("step") == 5);
    two n(d);
    o.resume = true;
    o.on_step = {};
    CHECK_NOTHROW(fit(n, train_data(), clean_training{}, sgd{}, o));
  }
}

TEST_CASE("Weights that are not finite end a run without a checkpoint, too") {
  cpu d(1);
  two m(d);
  fit_options o{.epochs = 1, .batch = 20};
  o.on_step = [&](const step_report&) { tensor_of(m, "fc.bias")[1] = NAN; };
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, o),
                       "fit: after 1 steps the weights or statistics are not finite", numeric_error);
}

TEST_CASE("Training learns: clean, adversarial and AdvProp") {
  const dataset data = quarters(64);
  cpu d(1);
  const auto learns = [&](const auto& method) {
    two m(d, seed{2});
    std::vector<double> losses;
    fit_options o{.epochs = 12, .batch = 16};
    o.on_epoch = [&](const epoch_report& r) {
      losses.push_back(r.metrics.parts[0].loss());
      CHECK(r.images == 64);
    };
    const auto before = evaluate(m, data).total;
    fit(m, data, method, sgd{.learning_rate = 0.1f}, o);
    const auto after = evaluate(m, data).total;
    CHECK(losses.size() == 12);
    CHECK(losses.back() < 0.5 * losses.front());
    CHECK(after.loss() < before.loss());
    CHECK(after.accuracy() > 0.9);
  };
  learns(clean_training{});
  learns(adversarial_training{attack::fgsm{}});
  learns(adversarial_propagation{attack::pgd::paper(2)});
}

TEST_CASE("Reports count epochs, steps, rates and images") {
  cpu d(1);
  two m(d);
  std::vector<int> steps;
  std::vector<double> rates;
  fit_options o{.epochs = 2, .batch = 8, .schedule = schedule::step({1})};
  o.on_step = [&](const step_report& r) {
    steps.push_back(r.epoch * 100 + r.step);
    CHECK((r.epochs == 2 && r.steps == 2 && r.images == 8));
    CHECK(r.metrics.parts[0].images == 8 * r.step);
    CHECK(r.seconds >= 0);
  };
  o.on_epoch = [&](const epoch_report& r) { rates.push_back(r.learning_rate); };
  fit(m, train_data(), clean_training{}, sgd{.learning_rate = 0.5f}, o);
  CHECK(steps == std::vector<int>{101, 102, 201, 202});
  CHECK(rates.size() == 2);
  CHECK(rates[0] == doctest::Approx(0.5));
  CHECK(rates[1] == doctest::Approx(0.05));
}

TEST_CASE("Data of another number of classes are refused before the first step, and so is a resumed run's other data") {
  cpu d(1);
  two m(d);
  const snapshot before(m);
  dataset more = train_data();
  more.classes = 5;
  more.labels.back() = 4;
  CHECK_THROWS_WITH_AS(fit(m, more, clean_training{}, sgd{}, {.epochs = 1}),
                       "fit: the data have 5 classes, the network 4", argument_error);
  dataset fewer = train_data();
  fewer.classes = 3;
  for (int& label : fewer.labels) label = 0;
  CHECK_THROWS_WITH_AS(fit(m, fewer, clean_training{}, sgd{}, {.epochs = 1}),
                       "fit: the data have 3 classes, the network 4", argument_error);
  CHECK(snapshot(m) == before);

  const folder f;
  const fit_options o{.epochs = 1, .batch = 8, .checkpoint = f.file("c"), .resume = true};
  fit(m, train_data(), clean_training{}, sgd{}, o);
  const snapshot trained(m);
  CHECK_THROWS_WITH_AS(fit(m, train_data().take(18), clean_training{}, sgd{}, o), doctest::Contains("from 18 images"),
                       file_error);  // of as many batches
  m.stochastic_depth(0.5f);
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, o), doctest::Contains("stochastic depth 0.5"),
                       file_error);
  CHECK(snapshot(m) == trained);
}

TEST_CASE("A method whose step measures other parts than it says is refused before the weights change") {
  struct silent {
    int parts() const { return 2; }
    int streams() const { return 1; }
    std::string part_name(int) const { return "part"; }
    step_metrics gradients(two& net, std::span<const labelled_images> streams, const step_options& options) const {
      return clean_training{}.gradients(net, streams, options);
    }
  };
  cpu d(1);
  two m(d);
  const std::vector<float> before(m.values().begin(), m.values().end());
  CHECK_THROWS_WITH_AS(fit(m, train_data(), silent{}, sgd{}, {.epochs = 1}),
                       "fit: the method has 2 parts, and its step has measured 1", argument_error);
  CHECK(std::ranges::equal(m.values(), before));
}

TEST_CASE("A network of a dry run is neither trained nor evaluated") {
  cpu dry(dry_run{});
  two m(dry);
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, {.epochs = 1}),
                       "fit: the network's device is for dry runs and computes nothing", argument_error);
  CHECK_THROWS_WITH_AS(evaluate(m, train_data()), "evaluate: the network's device is for dry runs and computes nothing",
                       argument_error);
}

TEST_CASE("A method with more streams than loaders, and options out of range, are refused") {
  cpu d(1);
  two m(d);
  adversarial_propagation method{attack::none{}};
  method.auxiliary[0].stream = 1;
  CHECK_THROWS_WITH_AS(fit(m, train_data(), method, sgd{}, {.epochs = 1}),
                       "fit: the method reads 2 data streams, 1 were given", argument_error);
  // A domain that was to read the second loader, and was not told so.
  loader first(train_data(), {.batch = 5}), second(train_data(), {.batch = 5, .augment_stream = 1});
  loader* const both[] = {&first, &second};
  CHECK_THROWS_WITH_AS(fit(m, both, clean_training{}, sgd{}, {.epochs = 1}),
                       doctest::Contains("reads 1 data streams, 2 were given; auxiliary[k].stream says"),
                       argument_error);
  CHECK_THROWS_WITH_AS(fit(m, first, clean_training{}, sgd{}, {.epochs = 1, .batch = 6}),
                       "fit: batch is 6, but the loader makes batches of 5", argument_error);
  loader one(train_data(), {.batch = 5});
  loader* const twice[] = {&one, &one};
  CHECK_THROWS_WITH_AS(fit(m, std::span<loader* const>(twice), method, sgd{}, {.epochs = 1}),
                       "fit: data streams 0 and 1 are one loader", argument_error);
  loader* const none[] = {&one, nullptr};
  CHECK_THROWS_WITH_AS(fit(m, std::span<loader* const>(none), method, sgd{}, {.epochs = 1}),
                       "fit: data stream 1 is a null pointer", argument_error);
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, {.epochs = 0}),
                       "fit: epochs is 0, must be 1 or more", argument_error);
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, {.checkpoint_steps = -7}),
                       "fit: checkpoint_steps is -7, must be 0 or more", argument_error);
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, {.resume = true}),
                       "fit: resume needs the path of a checkpoint", argument_error);
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, {.checkpoint = "nowhere/training.safetensors"}),
                       doctest::Contains("nowhere/training.safetensors: cannot open its folder"), file_error);
  for (float smoothing : {-0.1f, 1.f, NAN})
    CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, {.label_smoothing = smoothing}),
                         doctest::Contains("label_smoothing"), argument_error);
  CHECK_THROWS_AS(fit(m, train_data(), clean_training{}, sgd{.momentum = 2}, {.epochs = 1}), argument_error);
  CHECK_THROWS_WITH_AS(fit(m, train_data(), clean_training{}, sgd{}, {.schedule = schedule::staircase(0)}),
                       "schedule: decay is 0, must be positive", argument_error);
}

TEST_CASE("A run begins at its loaders' first batch, whatever they gave before") {
  loader data(train_data(), {.batch = 5, .seed = seed{2}});
  const auto trained = [&](int stopped_at) {
    cpu d(1);
    two m(d, seed{1});
    std::vector<long> images;
    const auto on_step = [&](const step_report& r) {
      if (r.step == stopped_at) throw killed();
    };
    const auto on_epoch = [&](const epoch_report& r) { images.push_back(r.metrics.parts[0].images); };
    try {
      fit(m, data, clean_training{}, sgd{}, {.epochs = 2, .on_step = on_step, .on_epoch = on_epoch});
      CHECK(images == std::vector<long>{20, 20});
    } catch (const killed&) {
    }
    return std::vector<float>(m.values().begin(), m.values().end());
  };
  const auto once = trained(0);
  CHECK(trained(0) == once);
  trained(2);
  CHECK(trained(0) == once);
}

namespace {
/// Maps of 8x8, 4x4, 2x2 and 1x1.
struct narrow : architecture<normalize<mnist_statistics>, convolution<6, 3, 2>, convolution<6, 3, 2>,
                             repeat<1, sequential<named<"last", convolution<6, 3, 2>>, batch_norm<>>>, relu,
                             global_average_pool, linear<4>> {};
static_assert(smallest_norm<narrow>({1, 8, 8}) == 1 && smallest_norm<narrow>({1, 9, 9}) == 4);
static_assert(smallest_norm<small>({1, 8, 8}) == 16);
static_assert(smallest_norm<gated<sequential<global_average_pool, batch_norm<>>>>({1, 8, 8}) == 1);
static_assert(smallest_norm<repeat<3, sequential<convolution<6, 3, 2>, batch_norm<>>>>({1, 8, 8}) == 1);
static_assert(smallest_norm<linear<4>>({1, 8, 8}) == std::numeric_limits<std::ptrdiff_t>::max());
}  // namespace

TEST_CASE("A last batch that gives no batch statistics is refused before the first step") {
  cpu d(1);
  model<narrow, domains<1>, cpu> m(d);
  const std::vector<float> before(m.running().begin(), m.running().end());
  const dataset data = quarters(9);
  loader all(data, {.batch = 4}), dropped(data, {.batch = 4, .drop_last = true});
  int steps = 0;
  const auto on_step = [&](const step_report&) { ++steps; };
  CHECK_THROWS_WITH_AS(fit(m, all, clean_training{}, sgd{}, {.epochs = 1, .on_step = on_step}),
                       doctest::Contains("fit: an epoch's last batch has 1 image"), argument_error);
  CHECK(std::equal(before.begin(), before.end(), m.running().begin()));
  CHECK(steps == 0);
  fit(m, dropped, clean_training{}, sgd{}, {.epochs = 1, .on_step = on_step});
  CHECK(steps == 2);
  two wide(d);  // maps of 4x4
  CHECK_NOTHROW(fit(wide, all, clean_training{}, sgd{}, {.epochs = 1}));
}

namespace {
/// Clean training that notes when it is asked.
struct noting {
  std::vector<double>* epochs;
  clean_training inner{};
  int parts() const { return inner.parts(); }
  std::string part_name(int i) const { return inner.part_name(i); }
  int streams() const { return inner.streams(); }
  template <class Model>
  step_metrics gradients(Model& m, std::span<const labelled_images> data, const step_options& o) const {
    epochs->push_back(o.epoch);
    return inner.gradients(m, data, o);
  }
};
}  // namespace

TEST_CASE("A method is told how far the run is, by a resumed one, too") {
  const folder f;
  cpu d(1);
  const dataset data = quarters(8);
  std::vector<double> epochs;
  const auto run = [&](int until, bool resume) {
    two m(d);
    fit(m, data, noting{&epochs}, sgd{},
        {.epochs = until,
         .batch = 4,
         .schedule = schedule::constant(),
         .checkpoint = f.file("state"),
         .resume = resume});
  };
  run(1, false);
  run(2, true);
  CHECK(epochs == std::vector<double>{0, 0.5, 1, 1.5});
}

TEST_CASE("Batches of which a batch norm gets one value are refused before the first step, whole ones, too") {
  cpu d(1);
  model<narrow, domains<2>, cpu> m(d);
  const dataset data = quarters(9);
  loader ones(data, {.batch = 1}), tens(data, {.batch = 10}), threes(data, {.batch = 3});
  CHECK_THROWS_WITH_AS(
      fit(m, ones, clean_training{}, sgd{}, {.epochs = 1}),
      "fit: a batch has 1 image, and of the network's maps of one pixel a batch norm would be given one "
      "value per channel",
      argument_error);
  adversarial_propagation method{attack::pgd{.steps = 1}};
  method.auxiliary[0].share = 0.3f;
  CHECK_THROWS_WITH_AS(fit(m, threes, method, sgd{}, {.epochs = 1}),
                       doctest::Contains("fit: a batch has 3 images, and"), argument_error);
  CHECK_NOTHROW(fit(m, tens, clean_training{}, sgd{}, {.epochs = 1}));
}

TEST_CASE("What is wrong with the method is not put down to the last batch") {
  cpu d(1);
  model<narrow, domains<2>, cpu> m(d);
  const dataset data = quarters(9);
  loader batches(data, {.batch = 128});
  adversarial_propagation method{attack::pgd{.steps = 1}};
  method.auxiliary[0].share = 2;
  CHECK_THROWS_WITH_AS(
      fit(m, batches, method, sgd{}, {.epochs = 1}),
      "fit: an epoch's last batch has 9 images: adversarial_propagation: share is 2, must be in (0, 1]",
      argument_error);
}

TEST_CASE("Which last batches are too small depends on what the method makes of them") {
  cpu d(1);
  model<narrow, domains<2>, cpu> m(d);
  const dataset nine = quarters(9), ten = quarters(10);
  loader one_left(nine, {.batch = 4}), two_left(ten, {.batch = 4});
  int steps = 0;
  fit_options o{.epochs = 1, .on_step = [&](const step_report&) { ++steps; }};
  const auto refused = [&](loader& data, const auto& method, const char* message) {
    steps = 0;
    CHECK_THROWS_WITH_AS(fit(m, data, method, sgd{}, o), doctest::Contains(message), argument_error);
    CHECK(steps == 0);
  };
  const auto trains = [&](loader& data, const auto& method) {
    steps = 0;
    fit(m, data, method, sgd{}, o);
    CHECK(steps == 3);
  };
  // One image and its adversary are two values; apart they are one each.
  adversarial_training mixture{attack::pgd{.steps = 1}};
  trains(one_left, mixture);
  mixture.mixture = false;
  refused(one_left, mixture, "fit: an epoch's last batch has 1 image, and of the network's maps of one pixel");
  adversarial_propagation method{attack::pgd{.steps = 1}};
  refused(one_left, method, "fit: an epoch's last batch has 1 image, and");
  trains(two_left, method);
  method.auxiliary[0].share = 0.5f;
  refused(two_left, method, "fit: an epoch's last batch has 2 images, and");
  method.decoupled = true;
  refused(one_left, method,
          "fit: an epoch's last batch has 1 image: adversarial_propagation: decoupled, the auxiliary domains' shares "
          "leave none of 1 images for the clean pass; the loader's drop_last leaves it out");
  // Micro-batches count, not the batch.
  o.micro_batch = 1;
  refused(two_left, clean_training{}, "fit: a batch has 4 images, and");
  o.micro_batch = 2;
  trains(two_left, clean_training{});
}

}  // namespace fit_test
