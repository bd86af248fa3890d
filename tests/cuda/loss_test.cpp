#include "device_under_test.hpp"

#include <bit>
#include <limits>

#include <advprop/core/tensor.hpp>
#include <advprop/ops/cpu.hpp>

namespace loss_test {

using namespace device_tests;

namespace {

/// Labels in the device's memory.
class label_memory {
 public:
  label_memory(cuda_device& d, int count)
      : device_(&d), count_(count), memory_(d.memory().allocate(sizeof(int) * std::size_t(count))) {}
  label_view view() const { return {static_cast<int*>(memory_.data()), {count_}}; }
  std::vector<int> host() const {
    std::vector<float> bits(static_cast<std::size_t>(count_));
    memory_copy(*device_, std::span<const float>(static_cast<const float*>(memory_.data()), bits.size()), bits);
    std::vector<int> labels;
    for (const float b : bits) labels.push_back(std::bit_cast<int>(b));
    return labels;
  }

 private:
  cuda_device* device_;
  int count_;
  arena::block memory_;
};

}  // namespace

TEST_EACH_ELEMENT("Losses, their gradients and what is counted are the CPU's, for hard and soft targets") {
  cpu c(1);
  basic_cuda<T> d;
  for (int classes : {1, 2, 10, 1000})
    for (float smoothing : {0.f, 0.1f})
      for (bool soft : {false, true}) {
        CAPTURE(classes);
        CAPTURE(smoothing);
        CAPTURE(soft);
        const int batch = 37;
        const map z = rounded<T>(map::random(batch, classes, 1, 1, 1, 3.f));
        tensor<int, 1> labels({batch});
        tensor<float, 2> shares({batch, classes});
        random_stream r(2);
        for (int n = 0; n < batch; ++n) {
          labels(n) = r.below(classes);
          shares(n, labels(n)) += 0.7f;
          shares(n, r.below(classes)) += 0.3f;
        }
        const target_view targets(labels.view(), soft ? shares.view() : tensor<float, 2>().view());
        map dz = z.like();
        const loss_result expected = cross_entropy(c, z, targets, smoothing, 2.f, dz);
        const auto gz = upload(d, z), gdz = garbage(d, z);
        const loss_result found = cross_entropy(d, gz, targets, smoothing, 2.f, gdz);
        CHECK(found.loss == doctest::Approx(expected.loss).epsilon(1e-5));
        CHECK(found.correct == expected.correct);
        CHECK(found.correct_top5 == expected.correct_top5);
        CHECK(distance(download(d, gdz), dz) < bound<T>);
        const loss_result only = cross_entropy(d, gz, targets, smoothing, 2.f, {});
        CHECK(only.loss == found.loss);

        tensor<int, 1> best({batch}), top({batch}), worst({batch}), lowest({batch});
        predict(c, z, best);
        predict(d, gz, top);
        CHECK(std::vector<int>(best.begin(), best.end()) == std::vector<int>(top.begin(), top.end()));
        if (classes == 1) continue;
        predict_worst(c, z, worst, targets);
        predict_worst(d, gz, lowest, targets);
        CHECK(std::vector<int>(worst.begin(), worst.end()) == std::vector<int>(lowest.begin(), lowest.end()));
        const label_memory there(d, batch);
        predict(d, gz, there.view());
        CHECK(there.host() == std::vector<int>(best.begin(), best.end()));
        predict_worst(d, gz, there.view(), targets);
        CHECK(there.host() == std::vector<int>(worst.begin(), worst.end()));
        draw_wrong(c, r, classes, targets, worst);
        draw_wrong(d, r, classes, targets, there.view());
        CHECK(there.host() == std::vector<int>(worst.begin(), worst.end()));
        draw_wrong(d, r, classes, targets, lowest);
        CHECK(there.host() == std::vector<int>(lowest.begin(), lowest.end()));
        tensor<float, 2> p({batch, classes}), q({batch, classes});
        softmax(c, z, p);
        softmax(d, gz, q);
        CHECK(distance({q.data(), std::size_t(q.size())}, {p.data(), std::size_t(p.size())}) < 1e-6);
      }
}

TEST_EACH_ELEMENT("A NaN logit makes the loss NaN and counts as a miss") {
  basic_cuda<T> d;
  for (int where = 0; where < 3; ++where) {
    map z = map::zero(2, 3, 1, 1);
    z(0, where) = std::numeric_limits<float>::quiet_NaN();
    z(1, 1) = 9;
    tensor<int, 1> labels({2});
    labels(0) = labels(1) = 1;
    const loss_result r = cross_entropy(d, upload(d, z), labels, 0.f, 1.f, {});
    CHECK(std::isnan(r.loss));
    CHECK(r.correct == 1);
  }
}

TEST_CASE("Losses that are read late are the ones that were asked for") {
  cuda d;
  tensor<int, 1> labels({1});
  std::vector<pending_loss> waiting;
  std::vector<map> logits;
  for (int i = 0; i < 20; ++i) {
    map z = map::zero(1, 2, 1, 1);
    z(0, 1) = static_cast<float>(i);
    logits.push_back(z);
    waiting.push_back(cross_entropy(d, upload(d, z), labels, 0.f, 1.f, {}));
  }
  for (int i = 0; i < 20; ++i)
    CHECK(loss_result(waiting[std::size_t(i)]).loss == doctest::Approx(std::log1p(std::exp(i))).epsilon(1e-5));
}

TEST_CASE("Logits of any size: far apart, equal, infinitely low, and no numbers") {
  cpu c(1);
  cuda d;
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  const int classes = 40;
  map z = map::zero(5, classes, 1, 1);
  for (int k = 0; k < classes; ++k) {
    z(0, k, 0, 0) = 80.f * static_cast<float>(k % 3);  // exponentials of 160 are no floats
    z(1, k, 0, 0) = -3e4f;                             // all equal
    z(2, k, 0, 0) = k == 7 || k == 31 ? 2.f : lowest;  // a lane may see nothing else
    z(3, k, 0, 0) = static_cast<float>(k) - 1e5f;      // rising, so that the maximum moves
    z(4, k, 0, 0) = static_cast<float>(-k);            // falling
  }
  tensor<int, 1> labels({5});
  labels(0) = 2, labels(1) = 0, labels(2) = 31, labels(3) = 39, labels(4) = 1;
  map dz = z.like();
  const loss_result expected = cross_entropy(c, z, labels, 0.f, 1.f, dz);
  const auto gz = upload(d, z), gdz = garbage(d, z);
  const loss_result found = cross_entropy(d, gz, labels, 0.f, 1.f, gdz);
  CHECK(std::isfinite(expected.loss));
  CHECK(found.loss == doctest::Approx(expected.loss).epsilon(1e-5));
  CHECK(found.correct == expected.correct);
  CHECK(found.correct_top5 == expected.correct_top5);
  CHECK(distance(download(d, gdz), dz) < 1e-5);

  z(3, 38, 0, 0) = std::numeric_limits<float>::quiet_NaN();
  const loss_result broken = cross_entropy(d, upload(d, z), labels, 0.f, 1.f, {});
  CHECK(std::isnan(broken.loss));
  CHECK(broken.correct == expected.correct - 1);  // a miss
}

}  // namespace loss_test
