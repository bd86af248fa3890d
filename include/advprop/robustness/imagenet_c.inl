// The definitions of imagenet_c.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <advprop/core/parallel.hpp>
#include <advprop/data/jpeg_encoder.hpp>
#include <advprop/robustness/imagenet_c.hpp>

namespace advprop::robustness {

ADVPROP_API void imagenet_c::require(std::span<const corruption> kinds, std::span<const int> levels) const {
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

ADVPROP_API std::string imagenet_c::path(corruption kind, int severity) const {
  return (((std::string(folder_) += '/') += to_string(kind)) += '/') += std::to_string(severity);
}

ADVPROP_API image_folder imagenet_c::at(corruption kind, int severity) const {
  detail::check_severity(kind, severity);
  return image_folder(path(kind, severity), options_);
}

}  // namespace advprop::robustness

namespace advprop::robustness::detail {

/// A folder under a temporary name, which a killed writer may have left; `commit` gives it its name.
class staged_folder {
 public:
  explicit staged_folder(std::string path) : path_(std::move(path)), temporary_(path_ + ".advprop-tmp") {
    if (file_exists(path_)) fail<file_error>(path_, ": is there already");
    std::error_code failure;
    std::filesystem::remove_all(temporary_, failure);
    make("");
  }
  staged_folder(const staged_folder&) = delete;
  staged_folder& operator=(const staged_folder&) = delete;
  ~staged_folder() {
    std::error_code failure;
    if (!committed_) std::filesystem::remove_all(temporary_, failure);
  }

  void make(const std::string& inside) const {
    const std::string path = this->inside(inside);
    std::error_code failure;
    std::filesystem::create_directories(path, failure);
    if (failure) fail<file_error>(path, ": cannot be made: ", failure.message());
  }
  std::string inside(const std::string& name) const { return (std::string(temporary_) += '/') += name; }

  void commit() {
    std::error_code failure;
    std::filesystem::rename(temporary_, path_, failure);
    if (failure) fail<file_error>(path_, ": cannot be made: ", failure.message());
    committed_ = true;
  }

 private:
  std::string path_, temporary_;
  bool committed_ = false;
};

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API void write_imagenet_c(const image_folder& images, corruption kind, int severity, const std::string& folder,
                                  seed s, int threads, const corruption_options& options, const center_crop& crop) {
  detail::check_corruption(kind, severity, options);
  std::vector<std::string> names;
  for (int i = 0; i < images.size(); ++i) {
    const std::filesystem::path path(images.path(i));
    std::string name = images.class_names[static_cast<std::size_t>(images.label(i))];
    names.push_back(((name += '/') += path.stem().string()) += ".JPEG");
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    fail<file_error>(folder, ": two images would get the name ", *twice);

  detail::staged_folder staged(imagenet_c(folder).path(kind, severity));
  for (const std::string& c : images.class_names) staged.make(c);
  rethrow_first(parallel_try(threads, std::ssize(names), [&](std::ptrdiff_t i) {
    const auto at = static_cast<std::size_t>(i);
    byte_image image = images.decode(static_cast<int>(i));
    crop(image);
    random_stream rng = corruption_stream(s, kind, severity, at);
    const auto bytes = encode_jpeg(corrupt(image, kind, severity, rng, options), 85, true);
    const std::string path = staged.inside(names[at]);
    const advprop::detail::descriptor file(path, path, O_WRONLY | O_CREAT | O_TRUNC, "cannot create");
    file.write(std::as_bytes(std::span(bytes)));
  }));
  staged.commit();
}

}  // namespace advprop::robustness
