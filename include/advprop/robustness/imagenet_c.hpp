// ImageNet-C: folders of corruptions, in them folders of severities, in those the class folders.
#pragma once

#include <span>
#include <string>
#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/data/image_folder.hpp>
#include <advprop/io/file.hpp>
#include <advprop/robustness/corruption.hpp>

namespace advprop::robustness {

/// FOLDER/gaussian_noise/3/n01440764/*.JPEG. The published images are 224 x 224, cropped already: look at them through
/// `whole_image`.
class imagenet_c {
 public:
  explicit imagenet_c(std::string folder, const folder_options& options = {})
      : folder_(std::move(folder)), options_(options) {}

  /// Throws `file_error` naming all folders that these corruptions and severities lack.
  void require(std::span<const corruption> kinds, std::span<const int> levels) const {
    std::string missing;
    const auto note = [&](const std::string& name) { (missing += missing.empty() ? "" : ", ") += name; };
    for (const corruption kind : kinds) {
      const std::string name(to_string(kind));
      if (!file_exists((std::string(folder_) += '/') += name)) {
        note(name);
        continue;
      }
      for (const int severity : levels)
        if (!file_exists(path(kind, severity))) note((std::string(name) += '/') += std::to_string(severity));
    }
    if (!missing.empty()) fail<file_error>(folder_, ": lacks ", missing);
  }

  std::string path(corruption kind, int severity) const {
    return (((std::string(folder_) += '/') += to_string(kind)) += '/') += std::to_string(severity);
  }

  /// Throws `argument_error` for a severity outside 1..5, and what `image_folder` throws.
  image_folder at(corruption kind, int severity) const {
    if (severity < 1 || severity > severities)
      fail<argument_error>(to_string(kind), ": severity ", severity, "; must be 1 to 5");
    return image_folder(path(kind, severity), options_);
  }

 private:
  std::string folder_;
  folder_options options_;
};

}  // namespace advprop::robustness
