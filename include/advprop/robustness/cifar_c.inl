// The definitions of cifar_c.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <advprop/data/byte_image.hpp>
#include <advprop/robustness/cifar_c.hpp>

namespace advprop::robustness {

ADVPROP_API void cifar_c::require(std::span<const corruption> kinds) const {
  std::string missing;
  if (!file_exists(path("labels"))) missing = "labels.npy";
  for (const corruption kind : kinds)
    if (!file_exists(path(to_string(kind)))) ((missing += missing.empty() ? "" : ", ") += to_string(kind)) += ".npy";
  if (!missing.empty()) fail<file_error>(folder_, ": lacks ", missing);
}

ADVPROP_API npy_images cifar_c::at(corruption kind, int severity) const {
  detail::check_severity(kind, severity);
  const npy_images all(path(to_string(kind)), path("labels"), classes_);
  if (all.size() % severities != 0)
    fail<file_error>(path(to_string(kind)), ": ", all.size(), " images are not as many for each of 5 severities");
  const int each = all.size() / severities;
  return all.subset((severity - 1) * each, each);
}

ADVPROP_API void write_cifar_c(const dataset& data, corruption kind, const std::string& folder, seed s, int threads,
                               const corruption_options& options) {
  const shape size = data.image();
  if (size.channels != 3) fail<argument_error>(data.name, ": grey images; CIFAR-10-C's layout is of RGB");
  constexpr int together = 1000;  // images in memory
  std::string path = folder;
  ((path += '/') += to_string(kind)) += ".npy";
  if (file_exists(path)) fail<file_error>(path, ": is there already");
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

ADVPROP_API void write_cifar_c_labels(const dataset& data, const std::string& folder) {
  if (data.classes > 256)
    fail<argument_error>(data.name, ": ", data.classes, " classes; labels are bytes, at most 256");
  const std::string path = std::string(folder) += "/labels.npy";
  std::string content = npy_header({std::int64_t{severities} * data.size()});
  for (int severity = 1; severity <= severities; ++severity)
    for (const int label : data.labels) content += static_cast<char>(label);
  if (!file_exists(path)) return write_file_atomically(path, content);
  const auto there = read_file<char>(path);
  if (!std::equal(there.begin(), there.end(), content.begin(), content.end()))
    fail<file_error>(path, ": is there already, for other images");
}

}  // namespace advprop::robustness
