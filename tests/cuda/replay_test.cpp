#include "device_under_test.hpp"

#include <advprop/advprop.hpp>

using namespace device_tests;

namespace {

struct run {
  std::vector<float> losses, weights;
  int replays = 0;
};

/// Five AdvProp steps on batches of their own, as `fit` makes them; `graphs`: through `replay`.
template <class Attack>
run five_steps(const Attack& attack, bool graphs) {
  cuda d;
  model<resnet20<10>, domains<2>, cuda> net(d, seed{1});
  const adversarial_propagation method(attack);
  const sgd optimizer{.learning_rate = 0.05f, .momentum = 0.9f};
  sgd::state<decltype(net)> state(optimizer, net);
  cuda_recording recording;
  run r;
  for (std::uint64_t step = 0; step < 5; ++step) {
    tensor<float, 4> images({3, 12, 12, 3});
    tensor<int, 1> labels({3});
    random_stream rng(11, step);
    for (float& v : images) v = rng.uniform();
    for (int& l : labels) l = rng.below(10);
    const labelled_images batch{images.view(), labels};
    const step_options options{0, random_stream(3, step)};
    step_metrics m;
    const auto gradients = [&] {
      net.zero_gradients();
      m = method.gradients(net, {&batch, 1}, options);
    };
    if (graphs)
      d.replay(recording, gradients);
    else
      gradients();
    m.settle(d);
    for (int i = 0; i < 2; ++i) r.losses.push_back(static_cast<float>(m.parts[std::size_t(i)].loss_sum));
    state.step();
  }
  r.weights.resize(net.values().size());
  memory_copy(d, std::span<const float>(net.values()), r.weights);
  r.replays = recording.replays();
  return r;
}

}  // namespace

TEST_CASE("Steps that are replayed as a graph are the same steps, with each one's own images, labels and noise") {
  const attack::pgd pgd{.epsilon = 4, .step = 1, .steps = 2};
  const run direct = five_steps(pgd, false), replayed = five_steps(pgd, true);
  CHECK(replayed.replays >= 3);
  CHECK(replayed.losses == direct.losses);
  CHECK(replayed.weights == direct.weights);
}

TEST_CASE("However many operations follow, a step's first loss is still there at its end") {
  const attack::pgd many{.epsilon = 4, .step = 1, .steps = 40};
  CHECK(five_steps(many, true).losses == five_steps(many, false).losses);
}

TEST_CASE("L2 steps and momentum are replayed, too") {
  const attack::pgd l2{.epsilon = 60, .step = 30, .steps = 2, .norm = attack::norm::two};
  CHECK(five_steps(l2, true).weights == five_steps(l2, false).weights);
  CHECK(five_steps(l2, true).replays >= 3);
  const attack::momentum_ifgsm momentum{.epsilon = 4, .step = 1, .steps = 2};
  CHECK(five_steps(momentum, true).weights == five_steps(momentum, false).weights);
  CHECK(five_steps(momentum, true).replays >= 3);
}

TEST_CASE("Operations that differ from step to step become another graph") {
  const attack::pgd sometimes{.epsilon = 4, .step = 1, .steps = 1, .clean_start = 0.5f};
  const run direct = five_steps(sometimes, false), replayed = five_steps(sometimes, true);
  CHECK(replayed.losses == direct.losses);
  CHECK(replayed.weights == direct.weights);
  CHECK(replayed.replays >= 1);
}

TEST_CASE("An attack that waits for the GPU is not captured, and gives the same") {
  const attack::pgd waits{.epsilon = 4, .step = 1, .steps = 1, .goal = attack::goal::least_likely};
  const run direct = five_steps(waits, false), replayed = five_steps(waits, true);
  CHECK(replayed.replays == 0);
  CHECK(replayed.weights == direct.weights);
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
