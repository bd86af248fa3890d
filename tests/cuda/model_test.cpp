#include "steps.hpp"

#include <cstdio>

#include "../models/harness.hpp"

namespace model_test {

using namespace device_tests;

namespace {

/// The largest difference, relative to the largest number of b.
double apart(const tensor<float, 2>& a, const tensor<float, 2>& b) {
  double largest = 0, worst = 0;
  for (std::ptrdiff_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::abs(double(b.data()[i])));
    worst = std::max(worst, std::abs(double(a.data()[i]) - double(b.data()[i])));
  }
  return worst / largest;
}

/// Folded norms in every place that an activation's gradient comes from, and what keeps it from being handed over.
template <class Shortcut, class After, class... Body>
using block = residual<sequential<Body...>, Shortcut, After>;
template <int Width, int Kernel, int Stride = 1>
struct unit : sequential<convolution<Width, Kernel, Stride>, batch_norm<>> {};
struct inner : block<identity, relu, convolution<8, 1>, batch_norm<>, relu6, convolution<8, 3>, batch_norm<>> {};
struct nested : block<identity, relu, convolution<16, 1>, batch_norm<>, relu, convolution<16, 1>, batch_norm<>> {};
struct masked_net
    : architecture<
          normalize<cifar10_statistics>, convolution<8, 3>, batch_norm<>, relu,                               //
          inner, repeat<2, inner>, sequential<inner>,                                                         //
          block<unit<16, 1, 2>, relu, convolution<16, 3, 2>, batch_norm<>, relu, convolution<16, 3>,          //
                batch_norm<>>,                                                                                //
          block<identity, relu, nested, convolution<16, 3>, batch_norm<>>,                                    //
          block<identity, relu, activate<activation::relu>, convolution<16, 3>, batch_norm<>>,                //
          block<identity, relu, convolution<16, 3>, batch_norm<>, relu, stochastic_depth>,                    //
          depthwise<3>, batch_norm<>, relu6, depthwise<3, 2>, batch_norm<>, relu6,                            //
          convolution<16, 1>, batch_norm<>, relu, convolution<16, 1, 1, 0, 1, bias::on>, batch_norm<>, relu,  //
          convolution<16, 1>, batch_norm<>, silu, convolution<16, 1>, batch_norm<>, relu, max_pool<2, 2, 0>,  //
          global_average_pool, linear<10>> {};

/// The gradient of the images in an attack's pass.
template <class Network, class Device>
std::vector<float> attack_gradient(Device& d, const batch& b) {
  model<Network, domains<2>, Device> net(d, seed{1});
  image_buffer<Device> images(d, b.images.extents());
  memory_copy(d, {b.images.data(), std::size_t(b.images.size())}, std::span<float>(images.begin(), images.end()));
  objective target(net, {});
  const auto gradient = target.input_gradient(images, target_view(b.labels));
  std::vector<float> v(std::size_t(b.images.size()));
  memory_copy(d, std::span<const float>(gradient.begin(), gradient.end()), v);
  return v;
}

}  // namespace

TEST_CASE("A step through two domains is the CPU's: ResNet-20, float32") {
  compare_step<resnet20<10>, float>(two_domains, 6, 32, 1e-5);
}
TEST_CASE("A step through two domains is the CPU's: ResNet-20, bfloat16") {
  compare_step<resnet20<10>, bfloat16>(two_domains, 6, 32, 2e-2, 0.25);
}

TEST_EACH_ELEMENT(
    "Beside layers that are kept as they are, gradients of the others have the bits that they have anyway") {
  basic_cuda<T> d(0, float32_products::exact, engine_choice::fixed);
  model<masked_net, domains<2>, basic_cuda<T>> net(d, seed{1});
  const batch b(4, 16, 10);
  const labelled_images images = b.view();
  const auto gradients = [&] {
    net.zero_gradients();
    two_domains.gradients(net, {&images, 1}, {});
    return host(net, net.gradients());
  };
  const auto all = gradients();
  for (const int lowest : {1, 9, 20, 31}) {  // layers
    std::vector<bool> learns;
    for (const parameter& p : net.table()) learns.push_back(p.place >= lowest && p.place % 3 != 0);
    const learning_claim claim = net.learning(learns);
    const auto some = gradients();
    for (std::size_t k = 0; k < learns.size(); ++k) {
      const parameter& p = net.table()[k];
      if (p.role == role::mean || p.role == role::variance || p.role == role::bias) continue;
      CAPTURE(p.name);
      for (std::size_t i = p.offset; i < p.offset + p.count; ++i) REQUIRE(some[i] == (learns[k] ? all[i] : 0));
    }
  }
}

TEST_CASE("An attack changes neither weights nor statistics, keeps to its ball, and stays on the device") {
  cuda d;
  model<resnet20<10>, domains<2>, cuda> net(d, seed{1});
  cpu c(2);
  model<resnet20<10>, domains<2>, cpu> other(c, seed{1});
  const auto values = weights(net), running = host(net, net.running());
  const batch b(3, 16, 10);
  const auto check = [&](const auto& attack, bool same_start) {
    tensor<float, 4> there = b.images, here = b.images;
    random_stream r(9), s(9);
    perturb(net, attack, there, b.labels, r, domains<2>::auxiliary(0));
    perturb(other, attack, here, b.labels, s, domains<2>::auxiliary(0));
    CHECK(r.position() == s.position());
    float worst = 0;
    int apart = 0;
    for (std::ptrdiff_t i = 0; i < there.size(); ++i) {
      worst = std::max(worst, std::abs(there.data()[i] - b.images.data()[i]));
      apart += std::abs(there.data()[i] - here.data()[i]) > 1e-4f;
    }
    CHECK(worst > 0);
    CHECK(apart <= there.size() / 50);  // where a gradient is near zero
    if (same_start) CHECK(worst <= 4.f / 255);
  };
  check(attack::pgd{.epsilon = 4, .step = 1, .steps = 2}, true);
  check(attack::strongest(attack::pgd{.epsilon = 4, .step = 4, .steps = 1}, attack::pgd{.steps = 2}), true);
  check(attack::pgd{.epsilon = 60, .step = 30, .steps = 2, .norm = attack::norm::l2}, false);
  check(attack::momentum_ifgsm{.epsilon = 4, .step = 1, .steps = 2}, true);
  check(attack::gradient_descent{.epsilon = 2, .step = 1, .steps = 2}, true);
  check(attack::pgd{.epsilon = 4, .step = 1, .steps = 1, .goal = attack::goal::least_likely}, true);
  CHECK(weights(net) == values);
  CHECK(host(net, net.running()) == running);
}

TEST_CASE("An attack's gradient is the CPU's, wherever activations' gradients are taken") {
  const batch b(3, 16, 10);
  cpu c(2);
  const auto expected = attack_gradient<masked_net>(c, b);
  cuda d;
  CHECK(difference(attack_gradient<masked_net>(d, b), expected) < 1e-5);
  if (!fusing::can_change) return;
  const fusing setting(d, false);
  CHECK(difference(attack_gradient<masked_net>(d, b), expected) < 1e-5);
}

TEST_CASE("In an attack's pass no sweep is left to an activation's gradient, but for ResNet-20's last") {
  CHECK(activation_sweeps<resnet20<10>>() == 1);
}

TEST_CASE("A model trained, saved and loaded moves between the devices") {
  cuda d;
  cpu c(2);
  using network = resnet20<10>;
  model<network, domains<2>, cuda> net(d, seed{1});
  const batch b(8, 16, 10);
  std::vector<std::uint8_t> bytes;
  for (float v : b.images) bytes.push_back(static_cast<std::uint8_t>(255 * v));
  const dataset data(view<const std::uint8_t, 4>(bytes.data(), b.images.extents()), b.labels, 10);
  const adversarial_propagation method(attack::pgd{.epsilon = 2, .step = 1, .steps = 1});
  fit(net, data, method, sgd{.learning_rate = 0.05f}, {.epochs = 2, .batch = 4});
  const evaluation there = evaluate(net, data, {.batch = 3}, attack::pgd{.steps = 1});
  const std::string path = "cuda_model_test.safetensors";
  save(net, path);
  model<network, domains<2>, cpu> other(c);
  load(other, path);
  std::remove(path.c_str());
  CHECK(weights(other) == weights(net));
  const evaluation here = evaluate(other, data, {.batch = 3}, attack::pgd{.steps = 1});
  CHECK(there.total.loss_sum == doctest::Approx(here.total.loss_sum).epsilon(1e-2));
  const evaluation clean = evaluate(net, data, {.batch = 3}), expected = evaluate(other, data);  // 8 images: 2 are left
  CHECK(clean.total.loss_sum == doctest::Approx(expected.total.loss_sum).epsilon(1e-4));
  CHECK(clean.confusion == expected.confusion);
  CHECK(apart(predict_logits(net, b.images, {.batch = 3}), predict_logits(other, b.images)) < 1e-4);
  CHECK(apart(predict_probabilities(net, b.images), predict_probabilities(other, b.images)) < 1e-4);
  const auto best = predict_classes(net, b.images, {.batch = 3}), same = predict_classes(other, b.images);
  CHECK(std::equal(best.begin(), best.end(), same.begin()));
}

TEST_CASE("bfloat16 logits come to the host as floats") {
  cuda_bfloat16 d;
  model<resnet20<10>, domains<2>, cuda_bfloat16> net(d, seed{1});
  cpu c(2);
  model<resnet20<10>, domains<2>, cpu> other(c, seed{1});
  const batch b(5, 16, 10);
  CHECK(apart(predict_logits(net, b.images, {.batch = 2}), predict_logits(other, b.images)) < 0.05);
}

TEST_CASE("Models on devices of their own do not know of one another") {
  const batch b(4, 16, 10);
  const labelled_images images = b.view();
  const auto gradients = [&](auto& net) {
    net.zero_gradients();
    clean_training{}.gradients(net, {&images, 1}, {});
    return host(net, net.gradients());
  };
  using network = resnet20<10>;
  // Two devices may find other engines the fastest.
  const auto exact = [] { return cuda(0, float32_products::exact, engine_choice::fixed); };
  cuda alone = exact();
  model<network, domains<1>, cuda> reference(alone, seed{1});
  const auto expected = gradients(reference);
  cuda one = exact(), two = exact();  // two streams of one GPU
  cuda_bfloat16 three;
  model<network, domains<1>, cuda> a(one, seed{1}), b1(two, seed{2}), c(one, seed{3});
  model<network, domains<1>, cuda_bfloat16> d(three, seed{1});
  const auto other = gradients(b1);
  const auto half = gradients(d);
  CHECK(gradients(a) == expected);
  CHECK(gradients(c) != expected);
  CHECK(other != expected);
  CHECK(difference(half, expected) < 0.25);
  CHECK(gradients(b1) == other);
}

TEST_CASE("What a device has made of a model's weights goes with the model") {
  cuda_bfloat16 d;
  const std::size_t before = d.memory().in_use();
  for (int i = 0; i < 2; ++i) {
    model<resnet20<10>, domains<2>, cuda_bfloat16> net(d, seed{1});
    const batch b(4, 16, 10);
    predict_classes(net, b.images);
    const labelled_images images = b.view();
    clean_training{}.gradients(net, {&images, 1}, {});
    d.wait();
    CHECK(d.memory().in_use() > before + net.values().size_bytes());
  }
  CHECK(d.memory().in_use() == before);
}

TEST_CASE("With fixed engines a step has the same bits twice, in bfloat16, too") {
  const batch b(16, 32, 10);
  const labelled_images images = b.view();
  const auto gradients = [&] {
    cuda_bfloat16 d(0, float32_products::exact, engine_choice::fixed);
    model<resnet20<10>, domains<2>, cuda_bfloat16> net(d, seed{1});
    net.zero_gradients();
    adversarial_propagation(attack::pgd{.steps = 1}).gradients(net, {&images, 1}, {});
    auto numbers = host(net, net.gradients());
    const auto statistics = host(net, net.running());
    numbers.insert(numbers.end(), statistics.begin(), statistics.end());
    return numbers;
  };
  CHECK(gradients() == gradients());
}

#ifndef ADVPROP_GPU_TESTS
TEST_CASE("Attack passes wait for nothing, and a step's memory comes from the arena") {
  cuda d;
  model<resnet20<10>, domains<2>, cuda> net(d, seed{1});
  const batch b(2, 16, 10);
  image_buffer<cuda> images(d, b.images.extents());
  memory_copy(d, {b.images.data(), std::size_t(b.images.size())}, std::span<float>(images.begin(), images.end()));
  objective target(net, {});
  random_stream r;
  auto& counters = d.state().own();
  const auto attack = [&] { attack::pgd{.steps = 3}.perturb(target, images, target_view(b.labels), r); };
  attack();
  const long waits = counters.waits;
  const std::size_t slabs = d.memory().slabs(), peak = d.memory().peak();
  attack();
  CHECK(counters.waits == waits);
  CHECK(d.memory().slabs() == slabs);
  CHECK(d.memory().peak() == peak);
}

TEST_CASE("When the GPU's memory is full, the error says so") {
  cuda d;
  d.state().own().most = std::size_t{20} << 20;
  CHECK_THROWS_WITH_AS((feature_map<cuda>(d, 64, {64, 64, 64})), doctest::Contains("out of memory: 64 MiB more"),
                       error);
}
#endif

TEST_CASE("Domains that share statistics keep their own scales where norms are folded into convolutions") {
  using two = domains<2, share::statistics>;
  cpu c(1);
  cuda d;
  model<harness::small, two, cpu> a(c, seed{1});
  model<harness::small, two, cuda> b(d, seed{1});
  harness::scramble(a);
  memory_copy(d, std::span<const float>(a.values()), b.values());
  memory_copy(d, std::span<const float>(a.running()), b.running());
  const auto x = harness::images(4);
  for (const domain through : {two::main(), two::auxiliary(0), two::main()}) {
    const auto expected = predict_logits(a, x, {.through = through}), got = predict_logits(b, x, {.through = through});
    for (std::ptrdiff_t i = 0; i < got.size(); ++i)
      CHECK(got.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-4));
  }
}

}  // namespace model_test
