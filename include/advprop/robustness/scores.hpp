// What robustness benchmarks report: pure functions of errors, logits and decisions.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/shape.hpp>

namespace advprop::robustness {

/// The 15 corruptions that count (Hendrycks & Dietterich 2019), in the order of every array below: three of noise,
/// four of blur, four of weather, four digital.
inline constexpr std::array<std::string_view, 15> scored_corruptions{
    "gaussian_noise",    "shot_noise", "impulse_noise",   "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur",         "snow",       "frost",           "fog",          "brightness", "contrast",
    "elastic_transform", "pixelate",   "jpeg_compression"};

/// A number for each of `scored_corruptions`.
using corruption_scores = std::array<double, scored_corruptions.size()>;

/// AlexNet's mean top-1 error over the five severities of each corruption of ImageNet-C, as fractions; the denominators
/// that google-research/augmix and easyrobust use.
inline constexpr corruption_scores alexnet_errors{0.886428, 0.894468, 0.922640, 0.819880, 0.826268,
                                                  0.785948, 0.798360, 0.866816, 0.826572, 0.819324,
                                                  0.564592, 0.853204, 0.646056, 0.717840, 0.606500};
/// AlexNet's top-1 error on ImageNet's validation images, as a fraction (torchvision's weights: 56.522 % correct).
inline constexpr double alexnet_clean_error = 0.43478;

namespace detail {
inline void check_fraction(const char* who, double value) {
  if (!(value >= 0 && value <= 1)) fail<argument_error>(who, ": ", value, " is no fraction in [0, 1]");
}
}  // namespace detail

/// The mean of errors (one per severity, or one per corruption), all fractions: what CIFAR-10-C and CIFAR-100-C report,
/// over 15 corruptions of 5 severities (RobustBench).
inline double mean_error(std::span<const double> errors) {
  if (errors.empty()) fail<argument_error>("mean_error: there are no errors");
  for (const double e : errors) detail::check_fraction("mean_error", e);
  return std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(errors.size());
}

/// The corruption error of each corruption in per cent of AlexNet's, from mean errors over the severities as fractions
/// (Hendrycks & Dietterich 2019, section 4.2).
inline corruption_scores corruption_errors(const corruption_scores& errors) {
  corruption_scores scores{};
  for (std::size_t c = 0; c < scores.size(); ++c) {
    detail::check_fraction("corruption_errors", errors[c]);
    scores[c] = 100 * errors[c] / alexnet_errors[c];
  }
  return scores;
}

/// mCE in per cent, AlexNet having 100: the mean of `corruption_errors`. 224 x 224 ImageNet-C only.
inline double mean_corruption_error(const corruption_scores& errors) {
  const auto scores = corruption_errors(errors);
  return std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
}

/// Relative mCE in per cent, AlexNet having 100: how much the error grows over that on clean images, beside AlexNet's
/// growth (same section). All errors are fractions. Below 0 where corrupted images are easier than clean ones.
inline double relative_mean_corruption_error(const corruption_scores& errors, double clean_error) {
  detail::check_fraction("relative_mean_corruption_error", clean_error);
  double sum = 0;
  for (std::size_t c = 0; c < errors.size(); ++c) {
    detail::check_fraction("relative_mean_corruption_error", errors[c]);
    sum += (errors[c] - clean_error) / (alexnet_errors[c] - alexnet_clean_error);
  }
  return 100 * sum / static_cast<double>(errors.size());
}

/// `l1` is the expected calibration error, `rms` the root mean square one that ImageNet-A's authors report.
enum class calibration { l1, rms };

/// Mean distance of confidence and accuracy over bins, each weighted by its images; a fraction. Bins are adaptive:
/// `bin` images each, in the order of confidence, the last one with what remains (Hendrycks et al. 2019, "Deep Anomaly
/// Detection with Outlier Exposure", appendix). Their script leaves the last bin out of the sum; here it counts.
inline double calibration_error(std::span<const float> confidences, std::span<const char> correct, calibration how,
                                int bin = 100) {
  const std::size_t count = confidences.size();
  if (count == 0 || correct.size() != count)
    fail<argument_error>("calibration_error: ", count, " confidences but ", correct.size(), " decisions");
  if (bin < 1) fail<argument_error>("calibration_error: bin is ", bin, ", must be 1 or more");
  for (const float c : confidences) detail::check_fraction("calibration_error", double{c});
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return confidences[i]; });

  const std::size_t size = static_cast<std::size_t>(bin), bins = std::max<std::size_t>(count / size, 1);
  double sum = 0;
  for (std::size_t b = 0; b < bins; ++b) {
    const std::size_t first = b * size, last = b + 1 == bins ? count : first + size;
    double gap = 0;
    for (std::size_t i = first; i < last; ++i) gap += double{confidences[order[i]]} - (correct[order[i]] ? 1.0 : 0.0);
    const double images = static_cast<double>(last - first), distance = std::fabs(gap) / images;
    sum += images / static_cast<double>(count) * (how == calibration::l1 ? distance : distance * distance);
  }
  return how == calibration::l1 ? sum : std::sqrt(sum);
}

/// The fraction of images whose label is among the k largest logits (images x classes; a tie counts for the lower
/// class). With `subset`, only those logits compete, and labels are positions in it: ImageNet-A and -R keep 200 of
/// 1,000 (natural-adv-examples, `eval.py`). A NaN logit that competes makes a miss.
inline double top_k(view<const float, 2> logits, const_label_view labels, int k, std::span<const int> subset = {}) {
  const int images = logits.extent(0), classes = logits.extent(1);
  const int competing = subset.empty() ? classes : static_cast<int>(subset.size());
  if (images < 1 || labels.extent(0) != images)
    fail<argument_error>("top_k: logits of ", images, " images but ", labels.extent(0), " labels");
  if (k < 1) fail<argument_error>("top_k: k is ", k, ", must be 1 or more");
  for (const int c : subset)
    if (c < 0 || c >= classes) fail<argument_error>("top_k: class ", c, " of the subset is outside 0..", classes - 1);
  int hits = 0;
  for (int i = 0; i < images; ++i) {
    const int label = labels(i);
    if (label < 0 || label >= competing)
      fail<argument_error>("top_k: label ", label, " of image ", i, " is outside 0..", competing - 1);
    const auto logit = [&](int c) { return logits(i, subset.empty() ? c : subset[static_cast<std::size_t>(c)]); };
    int ahead = 0;
    bool nan = false;
    for (int c = 0; c < competing; ++c) {
      nan = nan || std::isnan(logit(c));
      ahead += logit(c) > logit(label) || (logit(c) == logit(label) && c < label);
    }
    hits += !nan && ahead < k;
  }
  return double(hits) / images;
}

/// One picture whose shape says one class and whose texture another, and what the network took it for.
struct cue_decision {
  int shape = 0, texture = 0, decided = 0;
};

/// Of the pictures decided for either cue, the fraction decided for the shape (Geirhos et al. 2019). Pictures whose
/// cues agree do not count. Throws `argument_error` where no picture was decided for a cue.
inline double shape_bias(std::span<const cue_decision> decisions) {
  int shape = 0, texture = 0;
  for (const cue_decision& d : decisions) {
    if (d.shape == d.texture) continue;
    shape += d.decided == d.shape;
    texture += d.decided == d.texture;
  }
  if (shape + texture == 0) fail<argument_error>("shape_bias: no picture was decided for its shape or its texture");
  return double(shape) / (shape + texture);
}

}  // namespace advprop::robustness
