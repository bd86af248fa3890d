// Softmax cross entropy on the CPU, and what else is read off logits. Logits are a 1x1 feature map.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <advprop/core/shape.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu/lanes.hpp>
#include <advprop/ops/loss_result.hpp>

namespace advprop {

namespace detail {
struct exponentials {
  double maximum, sum;  // the log of the sum of exponentials is maximum + log(sum)
};
inline exponentials sum_exponentials(const float* z, int classes) {
  const double maximum = *std::max_element(z, z + classes);
  double sum = 0;
  for (int k = 0; k < classes; ++k) sum += std::exp(double(z[k]) - maximum);
  return {maximum, sum};
}
}  // namespace detail

/// Softmax cross entropy against (1 - smoothing) * one-hot + smoothing / classes; a tie of logits counts for the
/// lower class. Overwrites dlogits (data null: not wanted; may be the logits' memory) with
/// weight / batch * (softmax - target).
/// A NaN logit makes the loss NaN and counts as a miss.
inline loss_result cross_entropy(cpu& d, feature_view<const float> logits, const_label_view labels, float smoothing,
                                 float weight, feature_view<float> dlogits) {
  using namespace detail;
  struct image_result {
    double loss;
    int rank;
  };
  const int classes = logits.channels, stride = channel_blocks(logits) * cpu::channel_block;
  const auto scratch = d.memory().allocate(sizeof(image_result) * static_cast<std::size_t>(logits.batch));
  auto* results = static_cast<image_result*>(scratch.data());
  parallel_for(d.threads(), logits.batch, [&](std::ptrdiff_t n) {
    const float* z = logits.data + n * stride;
    const int label = labels(n);
    const float own = z[label];
    const auto [maximum, sum] = sum_exponentials(z, classes);
    const double log_sum = maximum + std::log(sum);
    double loss = (1 - double(smoothing)) * (log_sum - double(own));
    if (smoothing != 0)
      for (int k = 0; k < classes; ++k) loss += double(smoothing) / classes * (log_sum - double(z[k]));
    int rank = 0;
    for (int k = 0; k < classes; ++k) rank += z[k] > own || (z[k] == own && k < label);
    results[n] = {loss, std::isnan(loss) ? classes : rank};
    if (!dlogits.data) return;
    float* dz = dlogits.data + n * stride;
    const double share = double(weight) / logits.batch;
    for (int k = 0; k < classes; ++k) {
      const double target = (k == label ? 1 - double(smoothing) : 0.0) + double(smoothing) / classes;
      dz[k] = static_cast<float>(share * (std::exp(double(z[k]) - maximum) / sum - target));
    }
    std::fill(dz + classes, dz + stride, 0.f);
  });
  loss_result total;
  for (int n = 0; n < logits.batch; ++n) {
    total.loss += results[n].loss;
    total.correct += results[n].rank == 0;
    total.correct5 += results[n].rank < std::min(5, classes);
  }
  total.loss /= logits.batch;
  return total;
}

/// probabilities (batch x classes) = softmax of every image's logits.
inline void softmax(cpu& d, feature_view<const float> logits, view<float, 2> probabilities) {
  const int classes = logits.channels, stride = channel_blocks(logits) * cpu::channel_block;
  parallel_for(d.threads(), logits.batch, [&](std::ptrdiff_t n) {
    const float* z = logits.data + n * stride;
    float* p = probabilities.data() + n * classes;
    const auto [maximum, sum] = detail::sum_exponentials(z, classes);
    for (int k = 0; k < classes; ++k) p[k] = static_cast<float>(std::exp(double(z[k]) - maximum) / sum);
  });
}

/// The class of the largest logit, the lowest such class on a tie.
inline void predict(cpu& d, feature_view<const float> logits, label_view best) {
  const int classes = logits.channels, stride = channel_blocks(logits) * cpu::channel_block;
  parallel_for(d.threads(), logits.batch, [&](std::ptrdiff_t n) {
    const float* z = logits.data + n * stride;
    best(n) = static_cast<int>(std::max_element(z, z + classes) - z);
  });
}

/// The class of the smallest logit, the lowest such class on a tie (Kurakin et al. 2017, section 2.3).
inline void predict_worst(cpu& d, feature_view<const float> logits, label_view worst) {
  const int classes = logits.channels, stride = channel_blocks(logits) * cpu::channel_block;
  parallel_for(d.threads(), logits.batch, [&](std::ptrdiff_t n) {
    const float* z = logits.data + n * stride;
    worst(n) = static_cast<int>(std::min_element(z, z + classes) - z);
  });
}

}  // namespace advprop
