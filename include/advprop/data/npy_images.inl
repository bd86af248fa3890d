// The definitions of npy_images.hpp (core/linkage.hpp).
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>

#include <advprop/data/npy_images.hpp>

namespace advprop {

ADVPROP_API npy_images npy_images::subset(int first, int count) const {
  if (first < 0 || count < 1 || first > size() - count)
    fail<argument_error>("npy_images: a subset of ", count, " images from ", first, " on does not lie in ", size());
  npy_images part = *this;
  part.first_ += first;
  part.count_ = count;
  return part;
}

ADVPROP_API npy_images::npy_images(const std::string& image_path, const std::string& label_path, int class_count)
    : classes(class_count), files_(new files{mapped_file(image_path), nullptr, {}, {}}) {
  const npy_array images = parse_npy(files_->images.bytes(), image_path);
  if (!images.is_bytes()) fail<file_error>(image_path, ": type ", images.type, " instead of |u1 (bytes)");
  bool fits = images.shape.size() == 4 && images.shape[3] == 3;
  for (const std::int64_t extent : images.shape) fits = fits && extent >= 1 && extent <= INT_MAX;
  if (!fits) fail<file_error>(image_path, ": shape ", images.shape_text(), " instead of (images, height, width, 3)");
  files_->pixels = images.values.data();
  files_->image = {3, static_cast<int>(images.shape[1]), static_cast<int>(images.shape[2])};
  count_ = static_cast<int>(images.shape[0]);

  const mapped_file label_file(label_path);
  const npy_array labels = parse_npy(label_file.bytes(), label_path);
  if (labels.shape.size() != 1 || labels.shape[0] != count_)
    fail<file_error>(label_path, ": shape ", labels.shape_text(), " instead of (", count_, "), the images of ",
                     image_path);
  for (int i = 0; i < count_; ++i) {
    const std::int64_t label = labels.at(static_cast<std::size_t>(i));
    if (label < 0 || label >= classes)
      fail<file_error>(label_path, ": label ", label, " of image ", i, " is outside 0..", classes - 1);
    files_->labels.push_back(static_cast<int>(label));
  }
}

}  // namespace advprop
