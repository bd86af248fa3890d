// The IDX format of MNIST and its successors (http://yann.lecun.com/exdb/mnist), plain, .gz or .xz.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/compressed.hpp>
#include <advprop/data/dataset.hpp>

namespace advprop {

/// An array of unsigned bytes inside an IDX file's content, row-major.
struct idx_array {
  std::vector<int> extents;
  byte_span values;
};

/// Reads an IDX file's content without copying it. Throws `file_error` beginning with `name` unless it is an array of
/// unsigned bytes (type 0x08) of `rank` non-empty dimensions, with exactly the bytes that they ask for.
ADVPROP_API idx_array parse_idx(byte_span bytes, int rank, const std::string& name);

/// One-channel images (IDX of count x height x width) and their labels (IDX of count) as a data set of `classes`.
/// `limit`: the most bytes a file may hold, decompressed. Throws `file_error` as `read_decompressed` and `parse_idx`,
/// for a label out of range, and where there are not as many labels as images.
ADVPROP_API dataset read_idx(const std::string& image_path, const std::string& label_path, int classes,
                             std::size_t limit = default_size_limit);

/// MNIST from a folder with the four official files. Throws as `find_file` and `read_idx`.
ADVPROP_API dataset load_mnist(const std::string& folder, split part);

/// Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): MNIST's file names, other images. Debian: package dataset-fashion-mnist.
/// Throws as `load_mnist`.
ADVPROP_API dataset load_fashion_mnist(const std::string& folder, split part);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/idx.inl>
#endif
