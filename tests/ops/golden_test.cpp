// Single operations against PyTorch: tests/golden/README.md, layers.safetensors.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <advprop/core/tensor.hpp>
#include <advprop/io/safetensors.hpp>
#include <advprop/ops/cpu.hpp>

#include "each_set.hpp"
#include "golden_file.hpp"

namespace golden_test {

using namespace advprop;
using maps::map;

namespace {

const maps::golden_file& file() {
  static const maps::golden_file f("layers.safetensors");
  return f;
}
const safetensors& golden() { return file().file; }
map load_map(const std::string& key) { return file().load_map(key); }
template <class T>
double difference(const T& mine, const std::string& key) {
  return file().difference(mine, key);
}

constexpr double rounding = 3e-6;  // of float32 sums of a few hundred terms

}  // namespace

TEST_EACH_SET("convolutions equal PyTorch's: odd sizes, strides, groups, depthwise, a 7x7 stem") {
  cpu d(2, tested);
  for (const char* name : {"odd_stride2", "even_stride2", "stem7", "point_stride2", "grouped", "depthwise5"}) {
    CAPTURE(name);
    const std::string key = std::string("conv.") + name + ".";
    const auto s = golden().floats(key + "spec");
    const auto n = [&](std::size_t i) { return static_cast<int>(s[i]); };
    const conv_spec spec{n(0), n(1), n(2), n(3), n(4), n(5)};
    const map x = load_map(key + "x"), dy = load_map(key + "dy");
    const auto weight = golden().floats(key + "weight");
    map y = dy.like(), dx = x.like();
    std::vector<float> dw(weight.size());
    conv_forward(d, spec, x, weight.data(), y);
    conv_backward_input(d, spec, dy, weight.data(), dx);
    conv_backward_weight(d, spec, x, dy, dw.data());
    CHECK(difference(y, key + "y") < rounding);
    CHECK(difference(dx, key + "dx") < rounding);
    CHECK(difference(dw, key + "dweight") < rounding);
  }
}

TEST_EACH_SET("batch norm equals PyTorch's in training and in evaluation, with its running statistics") {
  cpu d(2, tested);
  for (const bool train : {true, false}) {
    const std::string key = train ? "batch_norm.train." : "batch_norm.eval.";
    CAPTURE(key);
    const map x = load_map(key + "x"), dy = load_map(key + "dy");
    const auto scale = golden().floats(key + "weight"), shift = golden().floats(key + "bias");
    auto mean = golden().floats(key + "running_mean"), variance = golden().floats(key + "running_var");
    std::vector<float> batch_mean(scale.size()), batch_variance(scale.size()), dscale(scale.size()),
        dshift(scale.size());
    if (train) {
      norm_statistics(d, x, batch_mean.data(), batch_variance.data());
      norm_update_running(d, x.channels, batch_mean.data(), batch_variance.data(),
                          std::ptrdiff_t{x.batch} * x.height * x.width, 0.1f, mean.data(), variance.data());
    }
    const norm_parameters p{train ? batch_mean.data() : mean.data(), train ? batch_variance.data() : variance.data(),
                            scale.data(), shift.data(), 1e-5f};
    map y = x.like(), dx = x.like();
    norm_forward(d, activation::identity, x, p, {}, y);
    norm_backward(d, activation::identity, train ? statistics::batch : statistics::running, x, y, dy, {}, p, dx, {},
                  dscale.data(), dshift.data());
    CHECK(difference(y, key + "y") < rounding);
    CHECK(difference(dx, key + "dx") < rounding);
    CHECK(difference(dscale, key + "dweight") < rounding);
    CHECK(difference(dshift, key + "dbias") < rounding);
    CHECK(difference(mean, key + "running_mean_after") < rounding);
    CHECK(difference(variance, key + "running_var_after") < rounding);
  }
}

TEST_EACH_SET("pooling equals PyTorch's, ties and padding included") {
  cpu d(2, tested);
  for (const char* name : {"k3s2p1", "k2s2"}) {
    CAPTURE(name);
    const auto spec_of = [&](const std::string& key) {
      const auto s = golden().floats(key + "spec");
      return pool_spec{static_cast<int>(s[0]), static_cast<int>(s[1]), static_cast<int>(s[2])};
    };
    const std::string most = std::string("max_pool.") + name + ".", average = std::string("average_pool.") + name + ".";
    {
      const map x = load_map(most + "x"), dy = load_map(most + "dy");
      map y = dy.like(), dx = x.like();
      max_pool_forward(d, spec_of(most), x, y);
      max_pool_backward(d, spec_of(most), x, dy, dx);
      CHECK(difference(y, most + "y") == 0);
      CHECK(difference(dx, most + "dx") < rounding);
    }
    {
      const map x = load_map(average + "x"), dy = load_map(average + "dy");
      map y = dy.like(), dx = x.like();
      average_pool_forward(d, spec_of(average), x, y);
      average_pool_backward(d, spec_of(average), dy, dx);
      CHECK(difference(y, average + "y") < rounding);
      CHECK(difference(dx, average + "dx") < rounding);
    }
  }
}

TEST_EACH_SET("SiLU and linear layers equal PyTorch's") {
  cpu d(2, tested);
  {
    const map x = load_map("silu.x"), dy = load_map("silu.dy");
    map y = x.like(), dx = x.like();
    activation_forward(d, activation::silu, x, y);
    activation_backward(d, activation::silu, x, dy, dx);
    CHECK(difference(y, "silu.y") < rounding);
    CHECK(difference(dx, "silu.dx") < rounding);
  }
  const map x = load_map("linear.x"), dy = load_map("linear.dy");
  const auto weight = golden().floats("linear.weight"), bias = golden().floats("linear.bias");
  map y = dy.like(), dx = x.like();
  std::vector<float> dw(weight.size()), db(bias.size());
  linear_forward(d, x, weight.data(), bias.data(), y);
  linear_backward_input(d, dy, weight.data(), dx);
  linear_backward_weight(d, x, dy, dw.data(), db.data());
  CHECK(difference(y, "linear.y") < rounding);
  CHECK(difference(dx, "linear.dx") < rounding);
  CHECK(difference(dw, "linear.dweight") < rounding);
  CHECK(difference(db, "linear.dbias") < rounding);
}

TEST_EACH_SET("cross entropy equals PyTorch's with and without label smoothing") {
  cpu d(2, tested);
  for (const char* smoothing : {"0.0", "0.1"}) {
    const std::string key = std::string("cross_entropy.") + smoothing + ".";
    const map logits = load_map(key + "logits");
    const auto stored = golden().floats(key + "labels");
    tensor<int, 1> labels({logits.batch});
    for (int i = 0; i < logits.batch; ++i) labels(i) = static_cast<int>(stored[static_cast<std::size_t>(i)]);
    map dlogits = logits.like();
    const loss_result r = cross_entropy(d, logits, labels.view(), std::stof(smoothing), 1.f, dlogits);
    CHECK(r.loss == doctest::Approx(golden().floats(key + "loss")[0]).epsilon(1e-6));
    CHECK(difference(dlogits, key + "dlogits") < rounding);
  }
}

TEST_EACH_SET("cross entropy against soft labels equals PyTorch's with and without label smoothing") {
  const auto file = safetensors::read(ADVPROP_TEST_SOURCE "/golden/regularization.safetensors");
  cpu d(2, tested);
  map logits = map::zero(6, 10, 1, 1), dlogits = logits.like();
  const auto z = file.floats("logits");
  std::size_t at = 0;
  logits.each([&](float& v) { v = z[at++]; });
  const auto shares = file.floats("shares");
  const std::vector<int> labels{0, 3, 2, 5, 7, 9};
  const target_view targets{{labels.data(), {6}}, {shares.data(), {6, 10}}};
  for (const char* smoothing : {"0.0", "0.1"}) {
    const std::string key = std::string("cross_entropy.") + smoothing + ".";
    const loss_result r = cross_entropy(d, logits, targets, std::stof(smoothing), 1.f, dlogits);
    CHECK(r.loss == doctest::Approx(file.floats(key + "loss")[0]).epsilon(1e-6));
    const auto truth = file.floats(key + "dlogits");
    at = 0;
    logits.each_index([&](int n, int k, int, int) { CHECK(std::abs(dlogits(n, k) - truth[at++]) < 1e-7); });
  }
}

TEST_EACH_SET("three steps of SGD equal PyTorch's: plain, with momentum, with Nesterov's") {
  cpu d(2, tested);
  for (const char* name : {"plain", "momentum", "nesterov"}) {
    CAPTURE(name);
    const std::string key = std::string("sgd.") + name + ".";
    const auto o = golden().floats(key + "options");
    auto w = golden().floats(key + "w");
    std::vector<float> velocity(w.size());
    for (int k = 1; k <= 3; ++k) {
      const auto g = golden().floats(key + "gradient" + std::to_string(k));
      sgd_update(d, {o[0], o[1], o[2], o[3] != 0, 1.f}, w, g, velocity);
      CHECK(difference(w, key + "w" + std::to_string(k)) < rounding);
    }
  }
}

}  // namespace golden_test
