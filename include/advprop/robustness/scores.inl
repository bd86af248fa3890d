// The definitions of scores.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include <advprop/robustness/scores.hpp>

namespace advprop::robustness::detail {

inline void check_fraction(const char* who, double value) {
  if (!(value >= 0 && value <= 1)) fail<argument_error>(who, ": ", value, " is not a fraction in [0, 1]");
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API double mean_error(std::span<const double> errors) {
  if (errors.empty()) fail<argument_error>("mean_error: there are no errors");
  for (const double e : errors) detail::check_fraction("mean_error", e);
  return std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(errors.size());
}

ADVPROP_API corruption_scores corruption_errors(const corruption_scores& errors) {
  corruption_scores scores{};
  for (std::size_t c = 0; c < scores.size(); ++c) {
    detail::check_fraction("corruption_errors", errors[c]);
    scores[c] = 100 * errors[c] / alexnet_errors[c];
  }
  return scores;
}

ADVPROP_API double mean_corruption_error(const corruption_scores& errors) {
  const auto scores = corruption_errors(errors);
  return std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
}

ADVPROP_API double relative_mean_corruption_error(const corruption_scores& errors, double clean_error) {
  detail::check_fraction("relative_mean_corruption_error", clean_error);
  double sum = 0;
  for (std::size_t c = 0; c < errors.size(); ++c) {
    detail::check_fraction("relative_mean_corruption_error", errors[c]);
    sum += (errors[c] - clean_error) / (alexnet_errors[c] - alexnet_clean_error);
  }
  return 100 * sum / static_cast<double>(errors.size());
}

ADVPROP_API double calibration_error(std::span<const float> confidences, std::span<const char> correct, calibration how,
                                     int images_per_bin) {
  const std::size_t count = confidences.size();
  if (count == 0 || correct.size() != count)
    fail<argument_error>("calibration_error: ", count, " confidences but ", correct.size(), " decisions");
  if (images_per_bin < 1)
    fail<argument_error>("calibration_error: images_per_bin is ", images_per_bin, ", must be 1 or more");
  for (const float c : confidences) detail::check_fraction("calibration_error", double{c});
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return confidences[i]; });

  const std::size_t size = static_cast<std::size_t>(images_per_bin), bins = std::max<std::size_t>(count / size, 1);
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

ADVPROP_API double top_k(view<const float, 2> logits, const_label_view labels, int k, std::span<const int> subset) {
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

ADVPROP_API double shape_bias(std::span<const cue_decision> decisions) {
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
