#include "steps.hpp"

namespace large_networks_test {

using namespace device_tests;

TEST_CASE("A step through two domains is the CPU's: ResNet-50, float32") {
  compare_step<resnet50<10>, float>(two_domains, 2, 40, 1e-4);
}
TEST_CASE("A step through two domains is the CPU's: EfficientNet-B0 with its noise, float32") {
  compare_step<efficientnet_b0<10>, float>(two_domains, 3, 40, 1e-4);
}

TEST_CASE(
    "Of ResNet-50's 49 activations two have a sweep of their own in an attack's pass back: those before pooling") {
  CHECK(activation_sweeps<resnet50<10>>() == 2);
}

TEST_CASE("Ten AdvProp steps: losses within 1 %") {
  cpu c(2);
  cuda d;
  model<resnet20<10>, domains<2>, cpu> expected(c, seed{1});
  model<resnet20<10>, domains<2>, cuda> net(d, seed{1});
  const batch b(4, 32, 10);
  const labelled_images images = b.view();
  const adversarial_propagation method(attack::pgd{.epsilon = 4, .step = 1, .steps = 2});
  const sgd optimizer{.learning_rate = 0.02f, .momentum = 0.9f, .weight_decay = 5e-4f};
  sgd::state<decltype(expected)> one(optimizer, expected);
  sgd::state<decltype(net)> two(optimizer, net);
  for (std::uint64_t step = 0; step < 10; ++step) {
    const step_options options{0, random_stream(3, step)};
    expected.zero_gradients();
    net.zero_gradients();
    const step_metrics x = method.gradients(expected, {&images, 1}, options);
    const step_metrics y = method.gradients(net, {&images, 1}, options);
    for (std::size_t i = 0; i < 2; ++i)
      CHECK(y.parts[i].loss_sum == doctest::Approx(x.parts[i].loss_sum).epsilon(1e-2));
    one.step();
    two.step();
  }
}

}  // namespace large_networks_test
