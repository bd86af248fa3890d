// The names of the corruptions of ImageNet-C (Hendrycks and Dietterich 2019).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include <advprop/core/error.hpp>

namespace advprop::robustness {

/// In the order of the official scripts: noise, blur, weather, digital, and the four that are held out for validation.
enum class corruption {
  gaussian_noise,
  shot_noise,
  impulse_noise,
  defocus_blur,
  glass_blur,
  motion_blur,
  zoom_blur,
  snow,
  frost,
  fog,
  brightness,
  contrast,
  elastic_transform,
  pixelate,
  jpeg_compression,
  speckle_noise,
  gaussian_blur,
  spatter,
  saturate
};

namespace detail {
inline constexpr std::array<std::string_view, 19> corruption_names = {"gaussian_noise",
                                                                      "shot_noise",
                                                                      "impulse_noise",
                                                                      "defocus_blur",
                                                                      "glass_blur",
                                                                      "motion_blur",
                                                                      "zoom_blur",
                                                                      "snow",
                                                                      "frost",
                                                                      "fog",
                                                                      "brightness",
                                                                      "contrast",
                                                                      "elastic_transform",
                                                                      "pixelate",
                                                                      "jpeg_compression",
                                                                      "speckle_noise",
                                                                      "gaussian_blur",
                                                                      "spatter",
                                                                      "saturate"};

inline constexpr auto corruptions = [] {
  std::array<corruption, corruption_names.size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<corruption>(i);
  return all;
}();
}  // namespace detail

/// All 19.
inline constexpr std::span<const corruption> all_corruptions = detail::corruptions;

/// The 15 that the mean corruption error is taken over.
inline constexpr std::span<const corruption> benchmark_corruptions = all_corruptions.first(15);

/// The published name, which is also the name of its folder in ImageNet-C and of its file in CIFAR-10-C.
constexpr std::string_view to_string(corruption kind) {
  return detail::corruption_names[static_cast<std::size_t>(kind)];
}

/// The corruption of a published name. Throws `argument_error` for any other.
inline corruption corruption_named(std::string_view name) {
  for (const corruption kind : all_corruptions)
    if (to_string(kind) == name) return kind;
  fail<argument_error>("no corruption is called '", name,
                       "'; the names are those of ImageNet-C, such as gaussian_noise");
}

/// Which images the five severities are made for: ImageNet-C's, of about 224 x 224, or CIFAR-10-C's, of 32 x 32. Both
/// work at any size.
enum class severity_scale { imagenet, cifar };

inline constexpr int severities = 5;

namespace detail {
/// Throws `argument_error` for a severity outside 1..5.
inline void check_severity(corruption kind, int severity) {
  if (severity < 1 || severity > severities)
    fail<argument_error>(to_string(kind), ": severity ", severity, "; must be 1 to 5");
}
}  // namespace detail

}  // namespace advprop::robustness
