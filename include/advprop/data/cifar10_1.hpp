// CIFAR-10.1, a second test set of CIFAR-10 (Recht et al. 2018).
#pragma once

#include <string>
#include <string_view>

#include <advprop/core/error.hpp>
#include <advprop/data/cifar.hpp>
#include <advprop/data/npy_images.hpp>

namespace advprop {

/// Version "v6" (2,000 images) or "v4" (2,021) from a folder with the published files cifar10.1_v6_data.npy and
/// cifar10.1_v6_labels.npy. Throws `argument_error` for another version and `file_error` naming a file.
[[gnu::cold]] inline npy_images load_cifar10_1(const std::string& folder, std::string_view version = "v6") {
  if (version != "v4" && version != "v6") fail<argument_error>("CIFAR-10.1: version ", version, "; must be v4 or v6");
  std::string stem = folder;
  (stem += "/cifar10.1_") += version;
  npy_images result(std::string(stem) += "_data.npy", std::string(stem) += "_labels.npy", cifar10_format.classes);
  result.class_names = cifar10_class_names();
  return result;
}

}  // namespace advprop
