// Softmax cross entropy on the CPU, and what else is read off logits. Logits are a 1x1 feature map.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {

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

inline loss_result cross_entropy(cpu& d, feature_view<const float> logits, const target_view& targets, float smoothing,
                                 float weight, feature_view<float> dlogits, float* losses) {
  using namespace detail;
  struct image_result {
    double loss;
    int rank;
  };
  const int classes = logits.channels, stride = channel_blocks(logits) * cpu::channel_block;
  const auto scratch = d.memory().allocate(sizeof(image_result) * static_cast<std::size_t>(logits.batch));
  if (d.dry()) return {};
  auto* results = static_cast<image_result*>(scratch.data());
  parallel_for(d.threads(), logits.batch, [&](std::ptrdiff_t n) {
    const float* z = logits.data + n * stride;
    const int label = targets(static_cast<int>(n));
    const float own = z[label];
    const float* soft = targets.soft.data() ? targets.soft.data() + n * classes : nullptr;
    const auto [maximum, sum] = sum_exponentials(z, classes);
    const double log_sum = maximum + std::log(sum);
    double loss = 0, shares = 1;
    if (soft) {
      shares = 0;
      for (int k = 0; k < classes; ++k) {
        shares += double(soft[k]);
        if (soft[k] != 0) loss += double(soft[k]) * (log_sum - double(z[k]));
      }
      loss *= 1 - double(smoothing);
      shares = (1 - double(smoothing)) * shares + double(smoothing);
    } else {
      loss = (1 - double(smoothing)) * (log_sum - double(own));
    }
    if (smoothing != 0)
      for (int k = 0; k < classes; ++k) loss += double(smoothing) / classes * (log_sum - double(z[k]));
    int rank = 0;
    for (int k = 0; k < classes; ++k) rank += z[k] > own || (z[k] == own && k < label);
    results[n] = {loss, std::isnan(loss) ? classes : rank};
    if (losses) losses[n] = static_cast<float>(loss);
    if (!dlogits.data) return;
    float* dz = dlogits.data + n * stride;
    const double share = double(weight) / logits.batch;
    for (int k = 0; k < classes; ++k) {
      const double p = soft ? double(soft[k]) : k == label ? 1.0 : 0.0;
      const double target = (1 - double(smoothing)) * p + double(smoothing) / classes;
      dz[k] = static_cast<float>(share * (shares * (std::exp(double(z[k]) - maximum) / sum) - target));
    }
    std::fill(dz + classes, dz + stride, 0.f);
  });
  loss_result total;
  for (int n = 0; n < logits.batch; ++n) {
    total.loss += results[n].loss;
    total.correct += results[n].rank == 0;
    total.correct_top5 += results[n].rank < std::min(5, classes);
  }
  total.loss /= logits.batch;
  return total;
}

inline void softmax(cpu& d, feature_view<const float> logits, view<float, 2> probabilities) {
  const int classes = logits.channels, stride = channel_blocks(logits) * cpu::channel_block;
  parallel_for(d.threads(), logits.batch, [&](std::ptrdiff_t n) {
    const float* z = logits.data + n * stride;
    float* p = probabilities.data() + n * classes;
    const auto [maximum, sum] = detail::sum_exponentials(z, classes);
    for (int k = 0; k < classes; ++k) p[k] = static_cast<float>(std::exp(double(z[k]) - maximum) / sum);
  });
}

inline void predict(cpu& d, feature_view<const float> logits, label_view best) {
  const int classes = logits.channels, stride = channel_blocks(logits) * cpu::channel_block;
  parallel_for(d.threads(), logits.batch, [&](std::ptrdiff_t n) {
    const float* z = logits.data + n * stride;
    best(n) = static_cast<int>(std::max_element(z, z + classes) - z);
  });
}

inline void predict_worst(cpu& d, feature_view<const float> logits, label_view worst, const target_view& own) {
  const int classes = logits.channels, stride = channel_blocks(logits) * cpu::channel_block;
  parallel_for(d.threads(), logits.batch, [&](std::ptrdiff_t n) {
    const float* z = logits.data + n * stride;
    const int i = static_cast<int>(n), label = own.data() ? own(i) : -1, second = classes > 2 ? own.second(i) : -1;
    int best = -1;
    for (int k = 0; k < classes; ++k)
      if (k != label && k != second && (best < 0 || z[k] < z[best])) best = k;
    worst(i) = best;
  });
}

inline void draw_wrong(cpu&, random_stream r, int classes, const target_view& own, label_view wrong) {
  for (int i = 0; i < own.extent(0); ++i, r.skip(1)) wrong(i) = wrong_class(own(i), own.second(i), classes, r);
}

}  // namespace advprop::ADVPROP_TARGET
