#include "device_under_test.hpp"

#include <cfloat>
#include <cmath>

#include <advprop/advprop.hpp>

#include "../models/harness.hpp"

namespace replay_test {

using namespace device_tests;

namespace {

using network = model<harness::small, domains<2>, cuda>;

struct run {
  std::vector<float> losses, weights, average;
  int replays = 0;
  long updates = 0;  // of graphs
};

/// An attack whose targets the host wants to see.
struct reads_predictions {
  void perturb(auto& objective, auto& images, const auto& labels, random_stream&) const {
    tensor<int, 1> worst({images.extent(0)});
    objective.least_likely(images, worst, labels);
    const auto gradient = objective.input_gradient(images, worst);
    transform(images, gradient, attack::loops::free_sign_step{-2.f / 255});
  }
};

/// Five AdvProp steps on batches of their own, as `fit` makes them; `graphs`: through `replay`, a step ahead of what is
/// read.
template <class Attack, class Optimizer = sgd>
run five_steps(const Attack& attack, bool graphs, const Optimizer& optimizer = {.learning_rate = 0.05f},
               int micro_batch = 0) {
  // One for all: a GPU's convolutions are chosen by timing, and others would round otherwise.
#ifdef ADVPROP_GPU_TESTS
  static cuda& d = *new cuda;  // never destroyed: CUDA's libraries may be gone by then
#else
  static cuda d;
#endif
  network net(d, seed{1});
  const adversarial_propagation method(attack);
  typename Optimizer::template state<network> state(optimizer, net);
  averaged_weights average(net, {.decay = 0.7});
  cuda_update_guard guard(d);
  cuda_recording recording;
  const long updates = d.counts().graph_updates;
  run r;
  step_metrics before;
  long call = 0;
  const auto read = [&] {
    before.settle(d, call);
    for (int i = 0; i < before.count; ++i)
      r.losses.push_back(static_cast<float>(before.parts[std::size_t(i)].loss_sum));
  };
  for (int step = 0; step < 5; ++step) {
    const auto images = harness::images(3, 8, 1, std::uint64_t(step));
    const auto labels = harness::labels(3, 4, std::uint64_t(step));
    const labelled_images batch{images.view(), labels};
    const step_options options{0, random_stream(3, std::uint64_t(step)), micro_batch};
    step_metrics m;
    const auto whole = [&] {
      net.zero_gradients();
      m = method.gradients(net, {&batch, 1}, options);
      m.watch(guard);
      state.step(1 - 0.1 * step);
      average.update();
    };
    long present = 0;
    if (graphs)
      present = d.replay(recording, whole);
    else
      whole();
    read();
    before = m;
    call = present;
  }
  read();
  r.weights.resize(net.values().size());
  memory_copy(d, std::span<const float>(net.values()), r.weights);
  r.average.resize(net.values().size());
  memory_copy(d, std::span<const float>(average.values()), r.average);
  r.replays = recording.replays();
  r.updates = d.counts().graph_updates - updates;
  return r;
}

/// Steps replayed as graphs are the same as without.
template <class Attack, class Optimizer = sgd>
void check_replayed(int least, const Attack& attack, const Optimizer& optimizer = {.learning_rate = 0.05f},
                    int micro_batch = 0) {
  const run direct = five_steps(attack, false, optimizer, micro_batch),
            replayed = five_steps(attack, true, optimizer, micro_batch);
  CHECK(direct.losses.size() == 10);
  for (float loss : direct.losses) CHECK(std::isfinite(loss));
  CHECK(replayed.replays >= least);
  if (least == 3) CHECK(replayed.updates > 0);  // or every step's graph would be made anew, which takes long
  CHECK(replayed.losses == direct.losses);
  CHECK(replayed.weights == direct.weights);
  CHECK(replayed.average == direct.average);
  CHECK(direct.average != direct.weights);
}

const attack::pgd pgd{.epsilon = 4, .step = 1, .steps = 2};

}  // namespace

TEST_CASE("Steps that are replayed as a graph are the same steps, with each one's own images, labels and noise") {
  check_replayed(3, pgd);
}

TEST_CASE("Every optimizer is part of the graph, with each step's learning rate and counters, clipped or not") {
  check_replayed(3, pgd, sgd{.learning_rate = 0.05f, .weight_decay = 1e-3f, .nesterov = true, .clip_norm = 0.3f});
  check_replayed(3, pgd, rmsprop{});
  check_replayed(3, pgd, rmsprop{.clip_norm = 0.3f});
  check_replayed(3, pgd, adamw{.learning_rate = 0.01f});
  check_replayed(3, pgd, adamw{.learning_rate = 0.01f, .clip_norm = 0.3f});
}

TEST_CASE("Layers that are kept as they are have no part in the graph") {
  check_replayed(3, pgd, sgd{.learning_rate = 0.05f, .clip_norm = 0.3f, .layer_rates = {{"fc", 1}, {"", 0}}});
  check_replayed(3, pgd, adamw{.learning_rate = 0.01f, .layer_rates = {{"conv1", 0}, {"bn1", 0}, {"fc", 2}}});
}

TEST_CASE("All micro-batches of a step are one graph") {
  check_replayed(3, pgd, sgd{.learning_rate = 0.05f, .clip_norm = 0.3f}, 1);
  check_replayed(3, pgd, rmsprop{}, 2);
  check_replayed(0, reads_predictions(), sgd{.learning_rate = 0.05f}, 1);
}

TEST_CASE("However many operations follow, a step's first loss is still there at its end") {
  check_replayed(3, attack::pgd{.epsilon = 4, .step = 1, .steps = 40});
}

TEST_CASE("L2 steps and momentum are replayed, too") {
  check_replayed(3, attack::pgd{.epsilon = 60, .step = 30, .steps = 2, .norm = attack::norm::l2});
  check_replayed(3, attack::momentum_ifgsm{.epsilon = 4, .step = 1, .steps = 2});
}

TEST_CASE("Operations that differ from step to step become another graph") {
  check_replayed(1, attack::pgd{.epsilon = 4, .step = 1, .steps = 1, .clean_start = 0.5f});
}

TEST_CASE("Targets are chosen on the device: an attack towards them is captured, and takes the CPU's targets") {
  for (const attack::goal goal : {attack::goal::least_likely, attack::goal::random_class}) {
    const attack::pgd targeted{.epsilon = 8, .step = 4, .steps = 2, .goal = goal};
    check_replayed(3, targeted);
    cpu c(1);
    cuda d;
    model<network::network_type, domains<2>, cpu> expected(c, seed{1});
    network net(d, seed{1});
    auto x = harness::images(16, 8, 1, 1), y = x;
    const auto labels = harness::labels(16, 4, 1);
    random_stream r(2), s(2);
    perturb(expected, targeted, x.view(), labels.view(), r);
    perturb(net, targeted, y.view(), labels.view(), s);
    int others = 0;  // numbers whose gradient is near zero may go the other way
    for (int i = 0; i < x.size(); ++i) others += std::fabs(x.data()[i] - y.data()[i]) > 1e-6f;
    CHECK(others < x.size() / 100);
  }
}

TEST_CASE("An attack that waits for the GPU is not captured, and gives the same") {
  check_replayed(0, reads_predictions());
  CHECK(five_steps(reads_predictions(), true).replays == 0);
}

TEST_CASE("Gradients are clipped as on the CPU") {
  cuda d;
  cpu c(1);
  for (const float length : {0.1f, 3.f, 1e3f}) {
    std::vector<float> values(7000);
    random_stream r(1);
    for (float& v : values) v = r.uniform(-1, 1);
    const numbers n(d, values), factor(d, std::vector<float>(1));
    clip_factor(d, n.span(), length, factor.data());
    const double expected = std::fmin(1.0, length / (std::sqrt(squared_norm(c, values)) + 1e-6));
    CHECK(factor.host()[0] == doctest::Approx(expected).epsilon(1e-6));
  }
  const numbers broken(d, std::vector<float>(3, NAN)), factor(d, std::vector<float>(1));
  clip_factor(d, broken.span(), 1, factor.data());
  CHECK(factor.host()[0] == 1);
}

TEST_CASE("Once a watched number is not finite, nothing that is learnt changes any more") {
  const std::vector<float> ones(5, 1.f);
  for (const float loss : {2.f, FLT_MAX, NAN, INFINITY, -INFINITY}) {
    CAPTURE(loss);
    cuda d;
    const numbers watched(d, std::vector{loss}), good(d, ones), two(d, std::vector<float>(5, 2.f));
    std::vector<numbers> learnt;
    for (int i = 0; i < 11; ++i) learnt.emplace_back(d, ones);
    const auto at = [&](int i) { return learnt[std::size_t(i)].span(); };
    {
      cuda_update_guard guard(d);
      guard.watch(watched.data());
      guard.watch(good.data());
      sgd_update(d, {.momentum = 0.5f}, at(0), two.span(), at(1));
      rmsprop_update(d, {}, at(2), two.span(), at(3), at(4));
      adamw_update(d, {}, at(5), two.span(), at(6), at(7));
      average_update(d, 0.5f, two.span(), at(8));
      norm_update_running(d, 5, two.data(), two.data(), 4, 0.5f, at(9).data(), at(10).data());
      fill(d, 3, good.span());  // no update
    }
    CHECK(good.host() == std::vector<float>(5, 3.f));

    for (int i = 0; i < 11; ++i) {
      CAPTURE(i);
      CHECK((learnt[std::size_t(i)].host() != ones) == std::isfinite(loss));
    }
    sgd_update(d, {.momentum = 0.5f}, at(0), two.span(), at(1));  // the guard is gone
    CHECK(learnt[1].host() != ones);
  }
}

TEST_CASE("What a call reads from the host stays as it is until the GPU has read it, however far the host goes on") {
  cuda d;
  cuda_recording recording;
  std::vector<numbers> to;
  for (int i = 0; i < 6; ++i) to.emplace_back(d, std::vector<float>(100));
  long last = 0;
  for (int i = 0; i < 6; ++i)
    last = d.replay(recording,
                    [&] { memory_copy(d, std::vector<float>(100, static_cast<float>(i)), to[std::size_t(i)].span()); });
  CHECK(recording.replays() == 5);
  d.wait(last);
  for (int i = 0; i < 6; ++i) CHECK(to[std::size_t(i)].host() == std::vector<float>(100, static_cast<float>(i)));
}

TEST_CASE("What is brought beside the operations is there when they read it, and stays until they have") {
  for (const bool eager : {false, true}) {
    CAPTURE(eager);
    cuda d;
    const early_copies setting(d, eager);
    const std::vector<std::size_t> sizes{100, 100, 30, 100, 5000, 200, 100};
    std::vector<numbers> read;
    for (std::size_t n : sizes) read.emplace_back(d, std::vector<float>(n));
    {
      const numbers gone(d, std::vector<float>(100));  // its memory is given back and taken again before it is filled
      fill(d, 7, gone.span());
    }
    {
      cuda_staging staging(d);
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        std::vector<float> from(sizes[i], static_cast<float>(i));
        const auto there = staging.bring(from);
        from.assign(from.size(), -1.f);
        memory_copy(d, there, read[i].span());
      }
    }
    for (std::size_t i = 0; i < sizes.size(); ++i)
      CHECK(read[i].host() == std::vector<float>(sizes[i], static_cast<float>(i)));
  }
}

TEST_CASE("An error inside a capture leaves the device as it was") {
  cuda d;
  cuda_recording recording;
  const numbers n(d, std::vector<float>(4, 1.f));
  const auto twice = [&] { fill(d, 2, n.span()); };
  for (int i = 0; i < 2; ++i) d.replay(recording, twice);
  CHECK_THROWS_WITH_AS(d.replay(recording, [&] { d.wait(); }), doctest::Contains("waits for the GPU"), error);
  CHECK(!d.recording());
  fill(d, 5, n.span());
  CHECK(n.host() == std::vector<float>(4, 5.f));
  d.replay(recording, twice);
  CHECK(n.host() == std::vector<float>(4, 2.f));
  CHECK_THROWS_AS(d.replay(recording, [&] { d.replay(recording, twice); }), argument_error);

  // Weights that were packed in a capture that never ran are packed again.
  const conv_spec s{8, 8, 3, 1, 1, 1};
  const numbers w(d, std::vector<float>(8 * 8 * 9, 1.f));
  const auto x = upload(d, map::random(1, 8, 4, 4, 1)), y = garbage(d, map::zero(1, 8, 4, 4));
  const auto convolve = [&] { conv_forward(d, s, x, w.data(), y); };
  convolve();
  const float one = download(d, y)(0, 0);
  fill(d, 2, w.span());
  CHECK_THROWS_AS(d.replay(recording,
                           [&] {
                             convolve();
                             d.wait();
                           }),
                  error);
  convolve();
  CHECK(download(d, y)(0, 0) == doctest::Approx(2 * one));
}

}  // namespace replay_test
