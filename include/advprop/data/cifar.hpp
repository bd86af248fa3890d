// CIFAR-10 and CIFAR-100 (Krizhevsky 2009), binary version, plain, .gz or .xz.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/compressed.hpp>
#include <advprop/data/dataset.hpp>

namespace advprop {

/// A record is its label bytes, of which the last is the class, and 3 planes (red, green, blue) of 32 x 32 bytes.
struct cifar_format {
  int classes;
  int coarse_classes;  ///< of the byte before the class; 0: there is none

  static constexpr int side = 32, pixels = 3 * side * side;
  constexpr int label_bytes() const { return coarse_classes > 0 ? 2 : 1; }
  constexpr int record() const { return label_bytes() + pixels; }
};
inline constexpr cifar_format cifar10_format{10, 0};
inline constexpr cifar_format cifar100_format{100, 20};

/// Adds the records of a binary file's content to a data set, pixels as NHWC. Throws `file_error` beginning with `name`
/// for a content that is empty or no whole number of records, and for a label out of range.
ADVPROP_API void parse_cifar(byte_span bytes, cifar_format format, const std::string& name, dataset& into);

/// Any number of records from one file. Throws as `read_decompressed` and `parse_cifar`.
ADVPROP_API dataset read_cifar(const std::string& path, cifar_format format, std::size_t limit = default_size_limit);

/// In the order of the labels.
[[gnu::cold]] inline std::vector<std::string> cifar10_class_names() {
  return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
}

/// CIFAR-10 from the folder "cifar-10-batches-bin": 50,000 or 10,000 images. Throws `file_error` naming the file that
/// is missing or has another number of records, and as `parse_cifar`.
[[gnu::cold]] ADVPROP_API dataset load_cifar10(const std::string& folder, split part);

/// CIFAR-100 (the 100 fine classes) from the folder "cifar-100-binary": 50,000 or 10,000 images. Throws as
/// `load_cifar10`.
[[gnu::cold]] ADVPROP_API dataset load_cifar100(const std::string& folder, split part);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/cifar.inl>
#endif
