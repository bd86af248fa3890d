// Corruptions of images as in ImageNet-C and CIFAR-10-C (Hendrycks and Dietterich, "Benchmarking Neural Network
// Robustness to Common Corruptions and Perturbations", ICLR 2019).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/image_color.hpp>
#include <advprop/robustness/blur.hpp>
#include <advprop/robustness/corruption.hpp>
#include <advprop/robustness/frost_pictures.hpp>
#include <advprop/robustness/severity_table.hpp>
#include <advprop/robustness/spatter.hpp>
#include <advprop/robustness/weather.hpp>

namespace advprop::robustness {

struct corruption_options {
  severity_scale scale = severity_scale::imagenet;
  const frost_pictures* frost = nullptr;  ///< needed by `corruption::frost` alone
};

namespace detail {
ADVPROP_API void check_corruption(corruption kind, int severity, const corruption_options& options);

}  // namespace detail

/// An image of any size, corrupted: 8 bits, truncated, as the official scripts store it. A grey image gets noise in its
/// one channel, since three would average it away; all else is done to its copy in RGB, whose luma is the result.
/// Throws `argument_error` for a severity outside 1..5, and `frost` without pictures.
ADVPROP_API byte_image corrupt(const byte_image& image, corruption kind, int severity, random_stream& rng,
                               const corruption_options& options = {});

/// The stream of random numbers of image `index` of a corrupted data set: each image, kind and severity has its own.
ADVPROP_API random_stream corruption_stream(seed s, corruption kind, int severity, std::size_t index);

/// Images `first`, `first` + 1, ... of a data set, corrupted on several threads: the same bits at any number of them.
ADVPROP_API std::vector<byte_image> corrupt(std::span<const byte_image> images, corruption kind, int severity, seed s,
                                            int threads, const corruption_options& options = {}, std::size_t first = 0);

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/corrupt.inl>
#endif
