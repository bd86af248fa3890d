// CIFAR-10-C and CIFAR-100-C, and corrupted copies of other data sets in their layout.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
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
  void require(std::span<const corruption> kinds) const {
    std::string missing;
    if (!file_exists(path("labels"))) missing = "labels.npy";
    for (const corruption kind : kinds)
      if (!file_exists(path(to_string(kind)))) ((missing += missing.empty() ? "" : ", ") += to_string(kind)) += ".npy";
    if (!missing.empty()) fail<file_error>(folder_, ": lacks ", missing);
  }

  /// One fifth of the corruption's file. Throws `argument_error` for a severity outside 1..5, and `file_error` naming
  /// the file that is missing, or no such array.
  npy_images at(corruption kind, int severity) const {
    if (severity < 1 || severity > severities)
      fail<argument_error>(to_string(kind), ": severity ", severity, "; must be 1 to 5");
    const npy_images all(path(to_string(kind)), path("labels"), classes_);
    if (all.size() % severities != 0)
      fail<file_error>(path(to_string(kind)), ": ", all.size(), " images are not as many for each of 5 severities");
    const int each = all.size() / severities;
    return all.subset((severity - 1) * each, each);
  }

 private:
  std::string path(std::string_view name) const { return ((std::string(folder_) += '/') += name) += ".npy"; }

  std::string folder_;
  int classes_;
};

/// Writes `folder`/KIND.npy: uint8, (5 images) x height x width x 3, all images at severity 1, then all at severity 2,
/// and so on. The folder exists. Image i has the random numbers of `corruption_stream(s, kind, severity, i)`. Throws
/// `file_error` for what cannot be written.
inline void write_cifar_c(const dataset& data, corruption kind, const std::string& folder, seed s, int threads,
                          const corruption_options& options = {severity_scale::cifar, nullptr}) {
  const shape size = data.image();
  if (size.channels != 3) fail<argument_error>(data.name, ": grey images; CIFAR-10-C's layout is of RGB");
  constexpr int together = 1000;  // images in memory
  std::string path = folder;
  ((path += '/') += to_string(kind)) += ".npy";
  write_file_atomically(path, [&](atomic_file& file) {
    file.write(npy_header({std::int64_t{severities} * data.size(), size.height, size.width, 3}));
    std::vector<byte_image> images;
    for (int severity = 1; severity <= severities; ++severity)
      for (int first = 0; first < data.size(); first += together) {
        images.resize(static_cast<std::size_t>(std::min(together, data.size() - first)));
        for (int i = first; byte_image & image : images) {
          image.reshape(size.height, size.width);
          std::copy_n(data.bytes(i++), image.pixels.size(), image.pixels.begin());
        }
        for (const byte_image& image :
             corrupt(images, kind, severity, s, threads, options, static_cast<std::size_t>(first)))
          file.write(std::as_bytes(std::span(image.pixels)));
      }
  });
}

/// Writes `folder`/labels.npy: uint8, the labels once for each severity.
inline void write_cifar_c_labels(const dataset& data, const std::string& folder) {
  if (data.classes > 256)
    fail<argument_error>(data.name, ": ", data.classes, " classes; labels are bytes, at most 256");
  const std::vector<std::uint8_t> once(data.labels.begin(), data.labels.end());
  write_file_atomically(std::string(folder) += "/labels.npy", [&](atomic_file& file) {
    file.write(npy_header({std::int64_t{severities} * data.size()}));
    for (int severity = 1; severity <= severities; ++severity) file.write(std::as_bytes(std::span(once)));
  });
}

}  // namespace advprop::robustness
