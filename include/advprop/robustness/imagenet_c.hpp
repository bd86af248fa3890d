// ImageNet-C: folders of corruptions, in them folders of severities, in those the class folders. And corrupted copies
// of other image folders in that layout.
#pragma once

#include <span>
#include <string>
#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/crops.hpp>
#include <advprop/data/image_folder.hpp>
#include <advprop/io/file.hpp>
#include <advprop/robustness/corrupt.hpp>

namespace advprop::robustness {

/// FOLDER/gaussian_noise/3/n01440764/*.JPEG. The published images are 224 x 224, cropped already: look at them through
/// `whole_image`.
class imagenet_c {
 public:
  explicit imagenet_c(std::string folder, const folder_options& options = {})
      : folder_(std::move(folder)), options_(options) {}

  /// Throws `file_error` naming all folders that these corruptions and severities lack.
  void require(std::span<const corruption> kinds, std::span<const int> levels) const;

  std::string path(corruption kind, int severity) const;

  /// Throws `argument_error` for a severity outside 1..5, and what `image_folder` throws.
  image_folder at(corruption kind, int severity) const;

 private:
  std::string folder_;
  folder_options options_;
};

/// Writes `folder`/KIND/SEVERITY/CLASS/NAME.JPEG for each image: the middle, 224 x 224 unless `crop` says otherwise,
/// corrupted, JPEG of quality 85, as make_imagenet_c.py. The folder of the severity gets its name when all of it is
/// written. Image i has the random numbers of `corruption_stream(s, kind, severity, i)`. Throws `file_error` for what
/// is there already, cannot be written, or would get the same name twice.
ADVPROP_API void write_imagenet_c(const image_folder& images, corruption kind, int severity, const std::string& folder,
                                  seed s, int threads, const corruption_options& options = {},
                                  const center_crop& crop = {224, 0.875, resampling::bilinear});

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/imagenet_c.inl>
#endif
