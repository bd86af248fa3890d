// Images and labels in NumPy's files, as CIFAR-10-C and CIFAR-10.1 come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/io/mapped_file.hpp>
#include <advprop/io/npy.hpp>

namespace advprop {

/// A source of 8-bit RGB images in one .npy file and their labels in another. Images are not read but mapped: what is
/// not looked at costs no memory. A cheap copy; copies and subsets share the files.
class npy_images {
 public:
  int classes = 0;
  std::vector<std::string> class_names;

  /// Images: uint8, images x height x width x 3. Labels: integers, one per image. Throws `file_error` naming the file
  /// of which type, byte order, order of the axes, shape, size or a label is not so.
  npy_images(const std::string& image_path, const std::string& label_path, int class_count);

  int size() const { return count_; }
  shape image() const { return files_->image; }
  int label(int i) const { return files_->labels[static_cast<std::size_t>(first_ + i)]; }
  const std::uint8_t* bytes(int i) const { return files_->pixels + (first_ + i) * files_->image.size(); }
  void read(int i, float* out) const { detail::to_unit(bytes(i), files_->image.size(), out); }

  /// Images [first, first + count). Throws `argument_error` where they are not there.
  npy_images subset(int first, int count) const;

 private:
  struct files {
    mapped_file images;
    const std::uint8_t* pixels = nullptr;
    advprop::shape image{};
    std::vector<int> labels;
  };
  std::shared_ptr<files> files_;
  int first_ = 0, count_ = 0;
};

static_assert(source<npy_images>);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/npy_images.inl>
#endif
