// Attacks against torchattacks' on a small differentiable classifier: tests/golden/README.md, layers.safetensors.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <advprop/attacks/fgsm.hpp>
#include <advprop/attacks/momentum.hpp>
#include <advprop/attacks/pgd.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/io/safetensors.hpp>
#include <advprop/ops/cpu.hpp>

namespace golden_test {

using namespace advprop;

namespace {

const safetensors& golden() {
  static const safetensors file = safetensors::read(ADVPROP_TEST_SOURCE "/golden/layers.safetensors");
  return file;
}

/// logits = weight * (pixels - 1/2)^2 + bias, and the gradient of its cross entropy by hand, in double.
struct quadratic_objective {
  cpu& device;
  std::vector<float> weight = golden().floats("attack.weight"), bias = golden().floats("attack.bias");
  image_buffer<cpu> gradient{device, {3, 4, 4, 3}};

  device_images<cpu> input_gradient(const device_images<cpu>& images, const_label_view labels) {
    constexpr std::size_t pixels = 48, classes = 5;
    for (int n = 0; n < 3; ++n) {
      const float* x = images.data() + n * 48;
      std::vector<double> p(classes);
      double sum = 0;
      for (std::size_t c = 0; c < classes; ++c) {
        double z = bias[c];
        for (std::size_t i = 0; i < pixels; ++i) z += weight[c * pixels + i] * (x[i] - 0.5) * (x[i] - 0.5);
        sum += p[c] = std::exp(z);
      }
      for (std::size_t i = 0; i < pixels; ++i) {
        double g = 0;
        for (std::size_t c = 0; c < classes; ++c)
          g += (p[c] / sum - (static_cast<int>(c) == labels(n))) * weight[c * pixels + i] * 2 * (x[i] - 0.5);
        gradient.data()[static_cast<std::size_t>(n) * pixels + i] = static_cast<float>(g);
      }
    }
    return {device, gradient};
  }
  image_buffer<cpu> copy(const device_images<cpu>& images) {
    image_buffer<cpu> to(device, images.extents());
    std::copy(images.begin(), images.end(), to.begin());
    return to;
  }
  void least_likely(const device_images<cpu>&, label_view, const target_view&) {}
  int classes() const { return 5; }
};

/// Largest difference of a pixel from torchattacks' result.
double difference(const auto& attack, const std::string& name) {
  cpu device(1);
  quadratic_objective objective{device};
  auto pixels = golden().floats("attack.images");
  device_images<cpu> images(device, {pixels.data(), {3, 4, 4, 3}});
  tensor<int, 1> labels({3});
  const auto stored = golden().floats("attack.labels");
  for (int i = 0; i < 3; ++i) labels(i) = static_cast<int>(stored[static_cast<std::size_t>(i)]);
  random_stream rng(1);
  attack.perturb(objective, images, labels.view(), rng);
  const auto truth = golden().floats("attack." + name + ".adversarial");
  double worst = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double e = std::fabs(static_cast<double>(pixels[i]) - truth[i]);
    worst = e <= worst ? worst : std::isnan(e) ? HUGE_VAL : e;  // std::max would pass over a NaN
  }
  return worst;
}

}  // namespace

TEST_CASE("FGSM, I-FGSM and PGD give torchattacks' images") {
  CHECK(difference(attack::fgsm{.epsilon = 4}, "fgsm_4") < 1e-6);
  CHECK(difference(attack::ifgsm{.epsilon = 64, .step = 24, .steps = 7}, "ifgsm_64_24_7") < 1e-6);
  attack::pgd p{.epsilon = 64, .step = 24, .steps = 7};
  p.start = attack::start::image;
  CHECK(difference(p, "pgd_64_24_7") < 1e-6);
}

TEST_CASE("L2 PGD gives torchattacks' images") {
  attack::pgd p{.epsilon = 128, .step = 32, .steps = 1};
  p.norm = attack::norm::l2;
  p.start = attack::start::image;
  CHECK(difference(p, "pgd_l2_128_32_1") < 1e-5);
  p.step = 64;
  p.steps = 6;
  CHECK(difference(p, "pgd_l2_128_64_6") < 1e-5);
}

TEST_CASE("momentum I-FGSM gives torchattacks' images") {
  CHECK(difference(attack::momentum_ifgsm{.epsilon = 64, .step = 24, .steps = 7, .decay = 1}, "mifgsm_64_24_7_decay1") <
        1e-6);
  CHECK(difference(attack::momentum_ifgsm{.epsilon = 64, .step = 24, .steps = 7, .decay = 0.5f},
                   "mifgsm_64_24_7_decay05") < 1e-6);
}

}  // namespace golden_test
