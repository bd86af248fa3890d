// What robustness benchmarks report: pure functions of errors, logits and decisions.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
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

/// The mean of errors (one per severity, or one per corruption), all fractions: what CIFAR-10-C and CIFAR-100-C report,
/// over 15 corruptions of 5 severities (RobustBench).
ADVPROP_API double mean_error(std::span<const double> errors);

/// The corruption error of each corruption in per cent of AlexNet's, from mean errors over the severities as fractions
/// (Hendrycks & Dietterich 2019, section 4.2).
ADVPROP_API corruption_scores corruption_errors(const corruption_scores& errors);

/// mCE in per cent, AlexNet having 100: the mean of `corruption_errors`. 224 x 224 ImageNet-C only.
ADVPROP_API double mean_corruption_error(const corruption_scores& errors);

/// Relative mCE in per cent, AlexNet having 100: how much the error grows over that on clean images, beside AlexNet's
/// growth (same section). All errors are fractions. Below 0 where corrupted images are easier than clean ones.
ADVPROP_API double relative_mean_corruption_error(const corruption_scores& errors, double clean_error);

/// `l1` is the expected calibration error, `rms` the root mean square one that ImageNet-A's authors report.
enum class calibration { l1, rms };

/// Mean distance of confidence and accuracy over bins, each weighted by its images; a fraction. Bins are adaptive:
/// `images_per_bin` images each, in the order of confidence, the last one with what remains (Hendrycks et al. 2019,
/// "Deep Anomaly Detection with Outlier Exposure", appendix). Their script leaves the last bin out of the sum; here it
/// counts.
ADVPROP_API double calibration_error(std::span<const float> confidences, std::span<const char> correct, calibration how,
                                     int images_per_bin = 100);

/// The fraction of images whose label is among the k largest logits (images x classes; a tie counts for the lower
/// class). With `subset`, only those logits compete, and labels are positions in it: ImageNet-A and -R keep 200 of
/// 1,000 (natural-adv-examples, `eval.py`). A NaN logit that competes makes a miss.
ADVPROP_API double top_k(view<const float, 2> logits, const_label_view labels, int k, std::span<const int> subset = {});

/// One picture whose shape says one class and whose texture another, and what the network took it for.
struct cue_decision {
  int shape = 0, texture = 0, decided = 0;
};

/// Of the pictures decided for either cue, the fraction decided for the shape (Geirhos et al. 2019). Pictures whose
/// cues agree do not count. Throws `argument_error` where no picture was decided for a cue.
ADVPROP_API double shape_bias(std::span<const cue_decision> decisions);

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/scores.inl>
#endif
