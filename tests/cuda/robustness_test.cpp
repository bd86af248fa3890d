#include "device_under_test.hpp"

#include <algorithm>

#include <advprop/advprop.hpp>
#include <advprop/robustness/ensemble.hpp>

#include "../robustness/attack_harness.hpp"

namespace robustness_test {

using namespace harness;

namespace {

struct colours {
  static constexpr std::array<float, 3> mean{0.4f, 0.4f, 0.4f}, deviation{0.2f, 0.2f, 0.2f};
};
struct coloured : architecture<normalize<colours>, named<"conv1", convolution<6, 3>>, named<"bn1", batch_norm<>>, relu,
                               named<"conv2", convolution<8, 3, 2>>, named<"bn2", batch_norm<>>, relu,
                               global_average_pool, named<"fc", linear<4>>> {};
template <class Device>
using network = model<coloured, domains<2>, Device>;

/// Four classes: faint columns in one of three colours, or none; 9 x 7 pixels.
owned_batch patterns(int count, std::uint64_t seed) {
  tensor<float, 4> x({count, 9, 7, 3});
  tensor<int, 1> y({count});
  random_stream r(seed);
  for (int n = 0; n < count; ++n) {
    y(n) = n % 4;
    for (int h = 0; h < 9; ++h)
      for (int w = 0; w < 7; ++w)
        for (int c = 0; c < 3; ++c) x(n, h, w, c) = r.uniform(0.2f, 0.5f) + (c == y(n) && w % 2 ? 0.15f : 0.f);
  }
  return {std::move(x), std::move(y)};
}

/// Trained on these; the auxiliary domain differs a little.
network<cpu>& trained() {
  static cpu d(1);
  static network<cpu> m(d, seed{3});
  static const bool done = [] {
    const owned_batch b = patterns(256, 9);
    fit(m, array_source<float>(b.clean.view(), b.labels.view(), 4), clean_training{}, sgd{.learning_rate = 0.1f},
        {.epochs = 15, .batch = 64});
    m.copy_main_to_auxiliary();
    for (float& v : tensor_of(m, "bn1.aux_bn.0.weight")) v *= 1.1f;
    return true;
  }();
  CHECK(done);
  return m;
}

/// The same network on the CUDA device.
template <class T>
struct moved {
  basic_cuda<T> device;
  network<basic_cuda<T>> net{device, seed{3}};
  moved() {
    memory_copy(device, std::span<const float>(trained().values()), net.values());
    memory_copy(device, std::span<const float>(trained().running()), net.running());
  }
};

/// The share of pixels that two batches do not have in common.
double apart(const tensor<float, 4>& a, const tensor<float, 4>& b) {
  int count = 0;
  for (std::ptrdiff_t i = 0; i < a.size(); ++i) count += std::abs(a.data()[i] - b.data()[i]) > 1e-4f;
  return count / double(a.size());
}

/// A GPU rounds otherwise, and in another batch otherwise again: the fate of an image at the edge may depend on that.
#ifdef ADVPROP_GPU_TESTS
constexpr int most_others = 2;
#else
constexpr int most_others = 0;
#endif
bool about(long a, long b) { return std::abs(a - b) <= most_others; }
bool same_verdicts(const auto& a, const auto& b) {
  int others = 0;
  for (std::size_t i = 0; i < a.size(); ++i) others += a[i] != b[i];
  return a.size() == b.size() && others <= most_others;
}

/// Attacks the same images on both devices; returns how many are left.
template <class Attack>
int compare(const Attack& attack, double most_apart) {
  moved<float> there;
  attacked_model expected(trained(), domains<2>::auxiliary(0));
  attacked_model target(there.net, domains<2>::auxiliary(0));
  owned_batch here = patterns(37, 4);
  judge(expected, here);
  owned_batch b = patterns(37, 4);
  judge(target, b);
  CHECK(same_verdicts(b.robust, here.robust));
  CHECK(b.left() > 30);
  b.robust[5] = here.robust[5] = 0;  // not to be attacked
  const auto e = attack.run(expected, here), f = attack.run(target, b);
  CHECK(about(f.attacked, e.attacked));
  CHECK(about(f.zero_gradients, e.zero_gradients));
  CHECK(same_verdicts(b.robust, here.robust));
  CHECK(apart(b.images, here.images) <= most_apart);
  CHECK(same_bits(std::span(b.images.data() + 5 * 189, 189), std::span(b.clean.data() + 5 * 189, 189)));
  check_inside(b, attack.epsilon / 255, attack.norm == attack::norm::l2);
  const auto claimed = b.robust;
  b.robust[5] = 1;
  judge(target, b);
  b.robust[5] = 0;
  CHECK(same_verdicts(b.robust, claimed));
  return b.left();
}

}  // namespace

TEST_CASE("APGD on the CUDA device leaves the images that it leaves on the CPU, and makes the others the same") {
  for (const apgd_loss loss : {apgd_loss::cross_entropy, apgd_loss::targeted_dlr})
    for (const attack::norm norm : {attack::norm::linf, attack::norm::l2}) {
      CAPTURE(int(loss));
      CAPTURE(int(norm));
      const int left = compare(apgd{.epsilon = norm == attack::norm::l2 ? 90.f : 10.f,
                                    .norm = norm,
                                    .steps = 12,
                                    .restarts = 2,
                                    .loss = loss,
                                    .targets = 2},
                               0.02);
      CHECK((left > 0 && left < 30));
    }
}

TEST_CASE("Square on the CUDA device leaves the images that it leaves on the CPU, and makes the others the same") {
  for (const attack::norm norm : {attack::norm::linf, attack::norm::l2}) {
    CAPTURE(int(norm));
    const int left = compare(square{.epsilon = norm == attack::norm::l2 ? 300.f : 20.f,
                                    .norm = norm,
                                    .queries = 60,
                                    .restarts = 2,
                                    .stretched = true},
                             0.01);
    CHECK((left > 0 && left < 30));
  }
}

TEST_CASE("PGD on the CUDA device fools the images that it fools on the CPU") {
  moved<float> there;
  for (const attack::norm norm : {attack::norm::linf, attack::norm::l2}) {
    const bool euclidean = norm == attack::norm::l2;
    const attack::pgd a{.epsilon = euclidean ? 130.f : 14.f, .step = euclidean ? 40.f : 4.f, .steps = 8, .norm = norm};
    owned_batch here = patterns(37, 4), b = here;
    random_stream r(1), s(1);
    perturb(trained(), a, here.images.view(), here.labels.view(), r);
    perturb(there.net, a, b.images.view(), b.labels.view(), s);
    attacked_model expected(trained());
    attacked_model target(there.net);
    judge(expected, here);
    judge(target, b);
    CHECK(same_verdicts(b.robust, here.robust));
    CHECK((b.left() > 0 && b.left() < 30));
    CHECK(apart(b.images, here.images) <= 0.02);
  }
}

TEST_CASE("The ensemble on the CUDA device tells what it tells on the CPU, for any batch and any part of the images") {
  moved<float> there;
  const owned_batch b = patterns(23, 4);
  const array_source<float> data(b.clean.view(), b.labels.view(), 4);
  ensemble_options o{.epsilon = 10, .steps = 8, .queries = 30, .batch = 9, .seed = seed{7}};
  const auto expected = attack_ensemble(trained(), data, o), found = attack_ensemble(there.net, data, o);
  CHECK(same_verdicts(found.correct, expected.correct));
  CHECK(same_verdicts(found.robust, expected.robust));
  CHECK(apart(found.adversarial, expected.adversarial) <= 0.02);
  CHECK(found.warnings == expected.warnings);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(about(found.stages[i].left, expected.stages[i].left));
    CHECK(about(found.stages[i].evidence.attacked, expected.stages[i].evidence.attacked));
  }
  CHECK(found.robust_accuracy() < found.clean_accuracy());
  o.first = 7;
  o.batch = 100;
  const auto part = attack_ensemble(there.net, data, o);
  CHECK(same_verdicts(part.robust, std::span(found.robust).subspan(7)));
}

TEST_CASE("In bfloat16 an image that is said to be fooled is fooled, and the others are as they were") {
  moved<bfloat16> there;
  attacked_model target(there.net);
  const owned_batch b = patterns(24, 4);
  const array_source<float> data(b.clean.view(), b.labels.view(), 4);
  for (const attack::norm norm : {attack::norm::linf, attack::norm::l2}) {
    const ensemble_options o{
        .epsilon = norm == attack::norm::l2 ? 90.f : 10.f, .norm = norm, .steps = 6, .queries = 20};
    const auto r = attack_ensemble(there.net, data, o);
    owned_batch after = b;
    after.images = r.adversarial;
    after.robust = r.robust;
    check_inside(after, o.epsilon / 255, norm == attack::norm::l2);
    judge(target, after);
    CHECK(same_verdicts(after.robust, r.robust));
    CHECK((after.left() > 0 && after.left() < 24));
  }
}

TEST_CASE("Logits that are no numbers stop an attack on the CUDA device, too") {
  moved<float> there;
  std::vector<float> broken(there.net.values().size(), NAN);
  memory_copy(there.device, std::span<const float>(broken), there.net.values());
  attacked_model target(there.net);
  owned_batch b = patterns(3, 4);
  CHECK_THROWS_AS(apgd{}.run(target, b), numeric_error);
  CHECK_THROWS_AS(square{}.run(target, b), numeric_error);
}

#ifdef ADVPROP_CUDA_STAND_IN
TEST_CASE("Images stay on the device while they are attacked, and few sizes of batches go through the network") {
  for (const attack::norm norm : {attack::norm::linf, attack::norm::l2}) {
    moved<float> there;
    attacked_model target(there.net);
    auto& counters = there.device.state().own();
    const auto travelled = [&](const auto& attack) {
      owned_batch b = patterns(32, 4);
      const std::size_t before = counters.travelled;
      attack.run(target, b);
      CHECK(b.left() == 32);
      return counters.travelled - before;
    };
    const std::size_t batch = 32 * 189 * sizeof(float);
    const auto apgd_steps = [&](int n) { return travelled(apgd{.epsilon = 0.1f, .norm = norm, .steps = n}); };
    CHECK(apgd_steps(20) - apgd_steps(10) < 10 * batch / 10);
    const auto queries = [&](int n) { return travelled(square{.epsilon = 0.1f, .norm = norm, .queries = n}); };
    CHECK(queries(20) - queries(10) < 10 * batch / 3);

    owned_batch b = patterns(32, 4);
    counters.batches.clear();
    apgd{.epsilon = norm == attack::norm::l2 ? 90.f : 10.f, .norm = norm, .steps = 8}.run(target, b);
    CHECK(b.left() < 16);
    CHECK(counters.batches == std::set<int>{16, 32});
  }
}
#endif

}  // namespace robustness_test
