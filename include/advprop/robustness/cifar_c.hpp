// Corrupted copies of a data set in the layout of CIFAR-10-C.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/npy.hpp>
#include <advprop/robustness/corrupt.hpp>

namespace advprop::robustness {

/// Writes `folder`/KIND.npy: uint8, (5 images) x height x width x 3, all images at severity 1, then all at severity 2,
/// and so on. The folder exists. Image i has the random numbers of `corruption_stream(s, kind, severity, i)`. Throws
/// `file_error` for what cannot be written.
inline void write_cifar_c(const dataset& data, corruption kind, const std::string& folder, seed s, int threads,
                          const corruption_options& options = {severity_scale::cifar, nullptr}) {
  const shape size = data.image();
  if (size.channels != 3) fail<argument_error>(data.name, ": grey images; corruptions work on RGB");
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
