// CIFAR-10-C and CIFAR-100-C, and corrupted copies of other data sets in their layout.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/data/npy_images.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/npy.hpp>
#include <advprop/robustness/corrupt.hpp>

namespace advprop::robustness {

/// A folder of one KIND.npy a corruption, and labels.npy, as CIFAR-10-C and CIFAR-100-C are published.
class cifar_c {
 public:
  cifar_c(std::string folder, int classes) : folder_(std::move(folder)), classes_(classes) {}

  /// Throws `file_error` naming all files that these corruptions lack.
  void require(std::span<const corruption> kinds) const;

  /// One fifth of the corruption's file. Throws `argument_error` for a severity outside 1..5, and `file_error` naming
  /// the file that is missing, or no such array.
  npy_images at(corruption kind, int severity) const;

 private:
  std::string path(std::string_view name) const { return ((std::string(folder_) += '/') += name) += ".npy"; }

  std::string folder_;
  int classes_;
};

/// Writes `folder`/KIND.npy: uint8, (5 images) x height x width x 3, all images at severity 1, then all at severity 2,
/// and so on. The folder exists. Image i has the random numbers of `corruption_stream(s, kind, severity, i)`. Throws
/// `file_error` for what is there already or cannot be written.
ADVPROP_API void write_cifar_c(const dataset& data, corruption kind, const std::string& folder, seed s, int threads,
                               const corruption_options& options = {severity_scale::cifar, nullptr});

/// Writes `folder`/labels.npy: uint8, the labels once for each severity. Throws `file_error` where it is there with
/// others, which are those of files beside it.
ADVPROP_API void write_cifar_c_labels(const dataset& data, const std::string& folder);

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/cifar_c.inl>
#endif
