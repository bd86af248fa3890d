// A plan for a GPU is what then happens on one: memory to the byte, but for the workspace of CUDA's libraries.
#include "device_under_test.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include <advprop/attacks/pgd.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/training/fit.hpp>
#include <advprop/training/plan.hpp>

namespace plan_test {

using namespace device_tests;

namespace {

template <class Network, class T>
using network_on = model<Network, domains<2>, basic_cuda<T>>;
template <class T>
using small_resnet = network_on<resnet20<10>, T>;

/// What a ResNet has not.
struct half {
  static constexpr float value = .5f;
};
using gate = sequential<global_average_pool, convolution<16, 1, 1, 0, 1, bias::zero>, sigmoid>;
struct mobile_net
    : architecture<normalize<cifar10_statistics>, convolution<16, 3, 2>, batch_norm<>, silu,
                   convolution<16, 3, 1, 1, 16>, batch_norm<>, relu6, gated<gate>, average_pool<2>, convolution<24, 1>,
                   batch_norm<>, silu, global_average_pool, dropout<half>, linear<10>> {};

/// What the device's arena has come to, against a plan.
void check_memory(cuda_device& d, const work_plan& plan) {
  CHECK(plan.library_workspace > 0);
#ifdef ADVPROP_CUDA_STAND_IN  // whose libraries take no workspace
  CHECK(d.memory().peak() == plan.peak);
  CHECK(d.memory().reserved() == plan.reserved);
#else
  CHECK(d.memory().peak() + 4096 >= plan.peak);  // the plan counts fused forms, which take sums of channels besides
  CHECK(d.memory().peak() <= plan.peak + plan.library_workspace);
#endif
}

template <class Network, class T, class Method, class Optimizer>
void check_training(const Method& method, const Optimizer& optimizer, int batch, int extent,
                    const average_options* average = nullptr, int micro_batch = 0) {
  using network = network_on<Network, T>;
  basic_cuda<T> device;
  basic_cuda<T> dry(dry_run{}, device);
  network planned(dry), net(device);
  const work_plan plan = plan_training(planned, method, optimizer, {batch, extent, extent, micro_batch, average});
  CHECK(plan.parameters < plan.peak);

  typename Optimizer::template state<network> state(optimizer, net);
  std::optional<averaged_weights<network>> averaged;
  if (average) averaged.emplace(net, *average);
  tensor<float, 4> images({batch, extent, extent, 3});
  tensor<int, 1> labels({batch});
  update_guard<basic_cuda<T>> guard(device);
  staging<basic_cuda<T>> staged(device);
  for (int i = 0; i < 2; ++i) {  // as `fit` does
    const auto pixels = staged.bring({images.data(), static_cast<std::size_t>(images.size())});
    const labelled_images streams[] = {{{pixels.data(), images.extents()}, labels.view()}};
    net.zero_gradients();
    method.gradients(net, streams, {0.1f, random_stream(3), micro_batch});
    state.step(1);
    if (averaged) averaged->update();
  }
  check_memory(device, plan);
}

template <class T, class Attack = attack::none>
void check_evaluation(int batch, int extent, const Attack& attack = {}) {
  basic_cuda<T> device;
  basic_cuda<T> dry(dry_run{}, device);
  small_resnet<T> planned(dry), net(device);
  const work_plan plan = plan_evaluation(planned, batch / 2, extent, extent, attack);
  const tensor<std::uint8_t, 4> images({batch, extent, extent, 3});
  const tensor<int, 1> labels({batch});
  evaluate(net, dataset(images.view(), labels.view(), 10), {.batch = batch / 2}, attack);
  check_memory(device, plan);
}

/// Large maps from little arithmetic.
struct wide_net : architecture<normalize<cifar10_statistics>, convolution<8, 1>, batch_norm<>, relu, convolution<8, 1>,
                               batch_norm<>, relu, global_average_pool, linear<10>> {};

}  // namespace

TEST_EACH_ELEMENT("the planned peak of a training step is the arena's") {
  check_training<resnet20<10>, T>(adversarial_propagation(attack::pgd::paper(1)), sgd{.clip_norm = 1}, 3, 16);
  const average_options average;
  check_training<resnet20<10>, T>(adversarial_training{attack::pgd{.steps = 1}}, rmsprop(), 2, 14, &average);
  check_training<mobile_net, T>(adversarial_propagation(attack::pgd{.steps = 1}), adamw(), 5, 21);
  for (const std::vector<layer_rate>& rates :
       {std::vector<layer_rate>{{"linear", 1}, {"", 0}}, {{"conv1", 0}, {"layer1", 0}, {"layer2.0.conv1", 0}}})
    check_training<resnet20<10>, T>(adversarial_propagation(attack::pgd::paper(1)),
                                    sgd{.clip_norm = 1, .layer_rates = rates}, 3, 16);
  for (const int micro_batch : {1, 2, 3})
    check_training<mobile_net, T>(adversarial_propagation(attack::pgd{.steps = 1}), adamw(), 5, 21, nullptr,
                                  micro_batch);
}

TEST_EACH_ELEMENT("the planned peak of an evaluation is the arena's") {
  check_evaluation<T>(4, 16);
  check_evaluation<T>(4, 16, attack::pgd{.steps = 1});
}

TEST_EACH_ELEMENT("a plan for a GPU counts bytes of the device's elements") {
  basic_cuda<T> dry(dry_run{});
  small_resnet<T> net(dry);
  const work_plan plan = plan_training(net, adversarial_propagation(attack::pgd{.steps = 1}), sgd(), {8, 32, 32});
  double flops = 0;
  int forward = 0, weights = 0;  // images
  int measured = 0;              // convolutions that give their result's statistics
  for (const work_item& i : plan.items) {
    flops += i.flops;
    const std::string operation = i.operation;
    if (i.layer == "layer1.0.conv1" && i.conv.kernel == 3 && operation.find("forward") != std::string::npos) {
      forward += i.batch;
      CHECK(i.out == shape{16, 32, 32});
      CHECK(i.flops == 2. * i.batch * 32 * 32 * 16 * 16 * 9);
      CHECK(i.read == double(sizeof(T)) * (i.batch * 32 * 32 * 16 + 16 * 16 * 9));
      CHECK(i.written == double(sizeof(T)) * i.batch * 32 * 32 * 16);
      CHECK(i.engine == std::string("cuDNN"));
      measured += operation == "conv_forward_statistics";
    }
    if (i.layer == "conv1" && operation == "conv_backward_weight") weights += i.batch;
  }
  CHECK(forward == 3 * 8);  // the attack, clean images, adversarial images
  CHECK(weights == 2 * 8);
  CHECK(measured == (std::is_same_v<T, bfloat16> ? 2 : 0));
  CHECK(flops == doctest::Approx(8 * 81.1e6 * (3 + 3 + 2)).epsilon(0.02));
  for (const char* layer : {"bn1", "layer1.0.conv2", "layer3.2.bn2", "linear"})
    CHECK(std::any_of(plan.items.begin(), plan.items.end(), [&](const work_item& i) { return i.layer == layer; }));
}

TEST_CASE("a plan for a GPU knows engines of our own, and what is done in several sweeps") {
  cuda dry(dry_run{});
  network_on<mobile_net, float> net(dry);
  int depthwise = 0, biases = 0;
  for (const work_item& i : plan_training(net, clean_training(), sgd(), {4, 32, 32}).items) {
    CHECK((i.conv.groups > 1) == (i.engine == std::string("depthwise")));
    depthwise += i.conv.groups > 1;
    biases += i.operation == std::string("bias_backward");
    if (i.operation == std::string("norm_backward") && i.after == activation::relu6)
      CHECK(i.read == 4 * 4. * 4 * 16 * 16 * 16);  // twice the output's gradient and the input
  }
  CHECK(depthwise == 3);
  CHECK(biases == 2);  // the gate's and the linear layer's
  cuda device;
  network_on<mobile_net, float> real(device);
  CHECK_THROWS_AS(plan_evaluation(real, 1, 32, 32), argument_error);
}

TEST_CASE("a dry run of a GPU computes no loss, and does not wait for one") {
  cuda dry(dry_run{});
  model<resnet20<10>, domains<2>, cuda> net(dry);
  const detail::planned_images images({4, 32, 32, 3});
  const labelled_images streams[] = {{images.images, images.labels}};
  step_metrics m =
      adversarial_propagation(attack::pgd{.steps = 1, .goal = attack::goal::least_likely}).gradients(net, streams, {});
  m.settle(dry);
  CHECK(m.finite());
  CHECK(m.parts[0].images == 4);
  cuda_bfloat16 large(dry_run{});
  model<resnet20<10>, domains<2>, cuda_bfloat16> other(large);
  CHECK(plan_training(other, clean_training(), sgd(), {60000, 32, 32}).reserved > std::size_t{20} << 30);
}

TEST_CASE("the batch that fits is the largest whose plan does") {
  using network = model<wide_net, domains<2>, cuda>;
  const cuda dry(dry_run{});
  const adversarial_propagation method{attack::pgd{.steps = 1}};
  const auto needed = [&](int batch) {
    cuda d(dry_run{});
    network net(d);
    return plan_training(net, method, sgd(), {batch, 64, 64}).needed();
  };
  for (const int batch : {20, 137, 300}) {
    CHECK(needed(batch) < needed(batch + 20));
    const int fits = fitting_batch<network>(dry, needed(batch), method, sgd(), {1000, 64, 64});
    CHECK(fits >= batch);
    CHECK(needed(fits) <= needed(batch));
    CHECK(needed(fits + 1) > needed(batch));
  }
  CHECK(fitting_batch<network>(dry, needed(10), method, sgd(), {5, 64, 64}) == 5);
  CHECK(fitting_batch<network>(dry, 1000, method, sgd(), {5, 64, 64}) == 0);

  const auto in_parts = [&](int micro_batch) {
    cuda d(dry_run{});
    network net(d);
    return plan_training(net, method, sgd(), {300, 64, 64, micro_batch}).needed();
  };
  const int fits = fitting_micro_batch<network>(dry, needed(150), method, sgd(), {300, 64, 64, 150});
  CHECK(fits > 60);
  CHECK(fits < 150);  // as 300 images lie on the device
  CHECK(in_parts(fits) <= needed(150));
  CHECK(in_parts(fits + 1) > needed(150));
}

#ifndef ADVPROP_GPU_TESTS
TEST_CASE("when a GPU's memory is too small for a step, fit says what it takes and which batch fits") {
  const int batch = 24, extent = 256;
  const tensor<std::uint8_t, 4> images({batch, extent, extent, 3});
  const tensor<int, 1> labels({batch});
  const dataset data(images.view(), labels.view(), 10);
  const auto train = [&](int count, std::size_t bytes, int micro_batch = 0) {
    cuda d;
    const memory_limit limit(d, bytes);
    model<wide_net, domains<1>, cuda> net(d);
    fit(net, data, clean_training(), sgd(), {.epochs = 1, .batch = count, .micro_batch = micro_batch});
  };
  cuda dry(dry_run{});
  model<wide_net, domains<1>, cuda> net(dry);
  const work_plan plan = plan_training(net, clean_training(), sgd(), {batch, extent, extent});
  const std::size_t bytes = plan.library_workspace + plan.reserved / 3;
  REQUIRE(plan.reserved > bytes);
  std::string message;
  try {
    train(batch, bytes);
  } catch (const memory_error& e) {
    message = e.what();
  }
  CAPTURE(message);
  CHECK(message.find("out of memory: ") == 0);
  const auto mib = [](std::size_t n) { return std::to_string(n >> 20) + " MiB"; };
  CHECK(message.find("a step on 24 images takes " + mib(plan.reserved)) != std::string::npos);
  CHECK(message.find(mib(bytes)) != std::string::npos);
  const auto at = message.find("a batch of ");
  REQUIRE(at != std::string::npos);
  const int fits = std::stoi(message.substr(at + 11));
  CHECK(fits > 0);
  CHECK(fits < batch);
  CHECK_NOTHROW(train(fits, bytes));
  const auto remedy = message.find("fits, or micro-batches of ");
  REQUIRE(remedy != std::string::npos);
  const int parts = std::stoi(message.substr(remedy + 26));
  CHECK(parts > 0);
  CHECK(parts <= fits);
  CHECK_NOTHROW(train(batch, bytes, parts));
  CHECK_THROWS_WITH_AS(train(batch, bytes, batch),
                       doctest::Contains("a step on 24 images in micro-batches of 24 takes"), memory_error);
}

TEST_CASE("fit takes the memory of a step at once, where there is so much") {
  constexpr int extent = 64, batch = 24;
  const tensor<std::uint8_t, 4> images({batch, extent, extent, 3});
  const tensor<int, 1> labels({batch});
  const dataset data(images.view(), labels.view(), 10);
  const auto slabs = [&](std::size_t bytes) {
    cuda d;
    const memory_limit limit(d, bytes);
    model<wide_net, domains<1>, cuda> net(d);
    const std::size_t before = d.memory().slabs();
    fit(net, data, clean_training(), sgd{.momentum = 0.9f}, {.epochs = 2, .batch = batch});
    return d.memory().slabs() - before;
  };
  CHECK(slabs(std::size_t{4} << 30) == 1);
  cuda dry(dry_run{});
  model<wide_net, domains<1>, cuda> net(dry);
  CHECK(slabs(plan_training(net, clean_training(), sgd(), {batch, extent, extent}).reserved) >= 1);
}

TEST_CASE("Where a batch is too large, evaluate says how large it is") {
  cuda d;
  model<wide_net, domains<1>, cuda> net(d);
  const memory_limit limit(d, std::size_t{64} << 20);
  const tensor<std::uint8_t, 4> images({200, 64, 64, 3});
  const tensor<int, 1> labels({200});
  CHECK_THROWS_WITH_AS(evaluate(net, dataset(images.view(), labels.view(), 10), {.batch = 200}),
                       doctest::Contains("evaluate: batches of 200 images are too large here"), memory_error);
}
#endif

}  // namespace plan_test
