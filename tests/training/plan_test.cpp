// A plan is what then happens: memory to the byte, operations one by one.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <advprop/ops/cpu.hpp>

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/plan.hpp>

namespace plan_test {

using namespace advprop;

namespace {

/// EfficientNet, a quarter as wide.
struct quarter {
  static constexpr double width = .25, depth = 1;
  static constexpr int resolution = 40;
  static constexpr float dropout = .2f;
};
using small_efficientnet = compound_efficientnet<quarter, 10>;

/// Groups that are interleaved (4 to 4 channels), joined (4 to 6) and convolutions of their own (24 to 16).
struct grouped_net : architecture<normalize<cifar10_statistics>, convolution<32, 3>, convolution<32, 3, 1, 1, 8>,
                                  batch_norm<>, relu, convolution<48, 3, 2, 1, 8>, batch_norm<>, relu,
                                  convolution<32, 3, 1, 1, 2>, batch_norm<>, global_average_pool, linear<10>> {};

/// Runs a step for real and plans it; the arena's peaks must be equal.
template <class Network, class Method, class Optimizer>
void check_training(const Method& method, const Optimizer& optimizer, int batch, int extent, int threads,
                    const average_options* average = nullptr, int micro_batch = 0) {
  using network = model<Network, domains<2>, cpu>;
  cpu dry(dry_run{}, threads);
  network planned(dry);
  const work_plan plan = plan_training(planned, method, optimizer, {batch, extent, extent, micro_batch, average});

  cpu device(threads);
  network net(device);
  typename Optimizer::template state<network> state(optimizer, net);
  std::optional<averaged_weights<network>> averaged;
  if (average) averaged.emplace(net, *average);
  tensor<float, 4> images({batch, extent, extent, network::channels});
  tensor<int, 1> labels({batch});
  const labelled_images streams[] = {{images.view(), labels.view()}};
  const step_options options{0.1f, random_stream(3), micro_batch};
  for (int i = 0; i < 2; ++i) {
    net.zero_gradients();
    method.gradients(net, streams, options);
    state.step(1);
    if (averaged) averaged->update();
    CHECK(plan.peak == device.memory().peak());
    CHECK(plan.reserved == device.memory().reserved());
  }
  CHECK(plan.parameters < plan.peak);
  CHECK(plan.items.size() > 20);
}

template <class Network, class Attack = attack::none>
void check_evaluation(int batch, int extent, const Attack& attack = {}) {
  using network = model<Network, domains<2>, cpu>;
  cpu dry(dry_run{});
  network planned(dry);
  const work_plan plan = plan_evaluation(planned, batch, extent, extent, attack);
  cpu device;
  network net(device);
  const tensor<std::uint8_t, 4> images({batch, extent, extent, network::channels});
  const tensor<int, 1> labels({batch});
  evaluate(net, dataset(images.view(), labels.view(), network::classes), {.batch = batch}, attack);
  CHECK(plan.peak == device.memory().peak());
  CHECK(plan.reserved == device.memory().reserved());
  CHECK(plan.parameters == net.values().size_bytes() + net.running().size_bytes());
}

}  // namespace

TEST_CASE("the planned peak of a training step is the arena's: ResNet-20, clean and AdvProp, 1 and 2 threads") {
  for (const int threads : {1, 2}) {
    check_training<resnet20<10>>(clean_training(), sgd(), 8, 32, threads);
    check_training<resnet20<10>>(adversarial_propagation(attack::pgd()), sgd{.clip_norm = 1}, 8, 32, threads);
  }
  adversarial_propagation concatenated{attack::pgd()};
  concatenated.execution = execution::concatenated;
  check_training<resnet20<10>>(concatenated, sgd(), 7, 30, 2);
  const average_options average;
  check_training<resnet20<10>>(adversarial_training{attack::pgd()}, rmsprop(), 8, 32, 2, &average);
}

TEST_CASE(
    "the planned peak of a training step is the arena's: micro-batches, of which a step takes little more than one") {
  adversarial_propagation shared{attack::pgd{.steps = 1}};
  shared.auxiliary[0].share = 0.3f;
  for (const int micro_batch : {3, 4, 8}) {
    check_training<resnet20<10>>(clean_training(), sgd(), 11, 32, 2, nullptr, micro_batch);
    check_training<resnet20<10>>(adversarial_training{attack::pgd{.steps = 1}}, sgd(), 11, 32, 1, nullptr, micro_batch);
    check_training<resnet20<10>>(shared, sgd(), 11, 32, 2, nullptr, micro_batch);
    shared.execution = execution::concatenated;
  }
  const auto plan = [](int batch, int micro_batch) {
    cpu dry(dry_run{}, 2);
    model<resnet20<10>, domains<2>, cpu> net(dry);
    return plan_training(net, adversarial_propagation(attack::pgd()), sgd(), {batch, 32, 32, micro_batch});
  };
  const work_plan whole = plan(4096, 0), parts = plan(4096, 64), one = plan(64, 0);
  CHECK(parts.peak == one.peak);
  CHECK(whole.peak > 40 * parts.peak);
  const auto flops = [](const work_plan& p) {
    double sum = 0;
    for (const work_item& i : p.items) sum += i.flops;
    return sum;
  };
  CHECK(flops(parts) == doctest::Approx(flops(whole)).epsilon(0.001));
}

TEST_CASE("the planned peak of a training step is the arena's: EfficientNet, clean and AdvProp") {
  check_training<small_efficientnet>(clean_training(), rmsprop(), 6, small_efficientnet::resolution, 2);
  attack::pgd least_likely;
  least_likely.goal = attack::goal::least_likely;
  least_likely.steps = 1;
  check_training<small_efficientnet>(adversarial_propagation(least_likely), adamw(), 6, 40, 2);
}

TEST_CASE("the planned peak of a training step is the arena's: grouped convolutions, by the direct engine") {
  for (const int threads : {1, 2})
    check_training<grouped_net>(adversarial_propagation(attack::pgd()), sgd(), 7, 19, threads);
  cpu dry(dry_run{});
  model<grouped_net, domains<1>, cpu> net(dry);
  int grouped = 0;
  for (const work_item& i : plan_training(net, clean_training(), sgd(), {8, 32, 32}).items)
    if (i.conv.groups > 1 && i.engine == std::string("direct")) ++grouped;
  CHECK(grouped == 3 * 3);  // passes
}

TEST_CASE("the planned peak of an evaluation pass is the arena's") {
  check_evaluation<resnet20<10>>(100, 32);
  check_evaluation<resnet20<10>>(100, 32, attack::pgd());
  check_evaluation<small_efficientnet>(5, 44);
  check_evaluation<small_efficientnet>(5, 44, attack::fgsm());
}

TEST_CASE("a network that predicts and is attacked has no memory for its weights' gradients; one that learns has") {
  using network = model<resnet20<10>, domains<2>, cpu>;
  cpu device(1);
  network net(device);
  const std::size_t learnt = net.values().size_bytes(), before = device.memory().in_use();
  CHECK(before < 2 * learnt);
  tensor<float, 4> images({2, 32, 32, 3});
  const tensor<int, 1> labels({2});
  random_stream rng(1);
  perturb(net, attack::pgd{.steps = 2}, images.view(), labels.view(), rng, main_domain);
  CHECK(device.memory().in_use() == before);
  CHECK(std::as_const(net).gradients().empty());
  for (const float g : net.gradients()) CHECK_MESSAGE(g == 0, "gradients begin at nothing");
  CHECK(device.memory().in_use() >= before + learnt);
  CHECK(std::as_const(net).gradients().data() == net.gradients().data());
}

TEST_CASE("a plan names layers and counts FLOPs, bytes and workspace") {
  cpu dry(dry_run{}, 2);
  model<resnet20<10>, domains<2>, cpu> net(dry);
  const work_plan plan = plan_training(net, adversarial_propagation(attack::pgd()), sgd(), {8, 32, 32});
  double flops = 0;
  int forward = 0, weights = 0;  // images
  for (const work_item& i : plan.items) {
    flops += i.flops;
    const std::string operation = i.operation;
    if (i.layer == "conv1" && (operation == "conv_forward" || operation == "conv_norm_forward")) {
      forward += i.batch;
      CHECK(i.out == shape{16, 32, 32});
      CHECK(i.flops == 2. * i.batch * 32 * 32 * 16 * 3 * 9);
      CHECK(i.read == 4. * (i.batch * 32 * 32 * 8 + 16 * 3 * 9));  // three channels take a block of 8
      CHECK(i.written == 4. * i.batch * 32 * 32 * 16);
      CHECK(i.workspace > 0);
      CHECK(i.engine == std::string("direct"));
    }
    if (i.layer == "conv1" && operation == "conv_backward_weight") weights += i.batch;
  }
  CHECK(forward == 7 * 8);  // 5 steps of the attack, clean images, adversarial images
  CHECK(weights == 2 * 8);  // an attack makes no gradients of weights
  // 81.1 MFLOP an image and pass (He et al.): forward, back to the input, back to the weights.
  CHECK(flops == doctest::Approx(8 * 81.1e6 * (7 + 7 + 2)).epsilon(0.02));
  for (const char* layer : {"bn1", "layer1.0.conv2", "layer3.2.bn2", "linear"})
    CHECK(std::any_of(plan.items.begin(), plan.items.end(), [&](const work_item& i) { return i.layer == layer; }));
}

TEST_CASE("what is kept as it is costs a step no gradient of its own, and nothing below what learns a way back") {
  const auto planned = [](const std::vector<layer_rate>& rates, auto method) {
    cpu dry(dry_run{}, 2);
    model<resnet20<10>, domains<2>, cpu> net(dry);
    return plan_training(net, method, sgd{.layer_rates = rates}, {64, 32, 32});
  };
  const auto count = [](const work_plan& plan, const std::string& operation, const std::string& layer) {
    return std::count_if(plan.items.begin(), plan.items.end(),
                         [&](const work_item& i) { return i.operation == operation && i.layer.starts_with(layer); });
  };
  const auto all = planned({}, clean_training());
  CHECK(count(all, "conv_backward_weight", "") == 19);
  CHECK(count(all, "conv_backward_input", "") == 18);

  // Only the last layer: a forward pass that keeps nothing, and one product.
  const auto head = planned({{"linear", 1}, {"", 0}}, clean_training());
  for (const char* back : {"conv_backward_weight", "conv_backward_input", "norm_backward", "linear_backward_input",
                           "global_average_pool_backward"})
    CHECK_MESSAGE(count(head, back, "") == 0, back);
  CHECK(count(head, "linear_backward_weight", "linear") == 1);
  CHECK(head.peak < all.peak / 4);

  // The last stage: back to its first convolution, and to that one's weights.
  const auto stage = planned({{"layer3", 1}, {"linear", 1}, {"", 0}}, clean_training());
  CHECK(count(stage, "conv_backward_weight", "") == 6);
  CHECK(count(stage, "conv_backward_weight", "layer3") == 6);
  CHECK(count(stage, "conv_backward_input", "") == 5);
  CHECK(count(stage, "norm_backward", "layer2") == 0);
  CHECK(stage.peak < all.peak / 2);

  // Only batch norms: back to the first one, without gradients of convolutions.
  std::vector<layer_rate> norms = {{"conv1", 0}, {"linear", 0}};
  for (const char* stage_name : {"layer1", "layer2", "layer3"})
    for (const char* block : {".0", ".1", ".2"})
      for (const char* conv : {".conv1", ".conv2"}) norms.push_back({std::string(stage_name) + block + conv, 0});
  const auto scales = planned(norms, clean_training());
  CHECK(count(scales, "conv_backward_weight", "") == 0);
  CHECK(count(scales, "linear_backward_weight", "") == 0);
  CHECK(count(scales, "conv_backward_input", "") == 18);
  CHECK(count(scales, "norm_backward", "") == 19);

  // Attacks go back to the images all the same.
  const attack::pgd three{.steps = 3};
  const auto attacked = planned({{"linear", 1}, {"", 0}}, adversarial_propagation(three));
  CHECK(count(attacked, "conv_norm_backward_input", "conv1") > 0);
  CHECK(count(attacked, "conv_backward_weight", "") == 0);
  CHECK(count(attacked, "linear_backward_weight", "") == 2);
}

TEST_CASE("the planned peak of a training step is the arena's: layers that are kept as they are") {
  for (const std::vector<layer_rate>& rates :
       {std::vector<layer_rate>{{"linear", 1}, {"", 0}}, {{"layer1", 0}, {"conv1", 0}}, {{"layer2.0", 0}}})
    check_training<resnet20<10>>(adversarial_propagation(attack::pgd{.steps = 2}),
                                 sgd{.clip_norm = 1, .layer_rates = rates}, 8, 32, 2);
}

TEST_CASE("a dry run takes no memory for what it plans, and refuses a device that computes") {
  cpu dry(dry_run{});
  model<resnet20<10>, domains<2>, cpu> net(dry);
  const work_plan plan = plan_training(net, clean_training(), sgd(), {20000, 32, 32});
  CHECK(plan.reserved > std::size_t{20} << 30);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  CHECK(usage.ru_maxrss < 2 << 20);  // KiB
  cpu device(1);
  model<resnet20<10>, domains<1>, cpu> real(device);
  CHECK_THROWS_AS(plan_evaluation(real, 1, 32, 32), argument_error);
  CHECK_THROWS_WITH_AS(plan_evaluation(net, 0, 32, 32), "plan_evaluation: batch, height and width must be positive",
                       argument_error);
}

}  // namespace plan_test
