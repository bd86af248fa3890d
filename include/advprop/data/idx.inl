// The definitions of idx.hpp (core/linkage.hpp).
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>

#include <advprop/data/idx.hpp>

namespace advprop {

ADVPROP_API idx_array parse_idx(byte_span bytes, int rank, const std::string& name) {
  const std::size_t header = 4 + 4 * static_cast<std::size_t>(rank);
  if (bytes.size() < 4) fail<file_error>(name, ": truncated: ", bytes.size(), " bytes are too few for an IDX header");
  if (bytes[0] != 0 || bytes[1] != 0)
    fail<file_error>(name, ": is not an IDX file: it does not begin with two zero bytes");
  if (bytes[2] != 8) fail<file_error>(name, ": IDX type ", bytes[2], " is not read, only 8 (unsigned bytes)");
  if (bytes[3] != rank) fail<file_error>(name, ": has ", bytes[3], " dimensions where ", rank, " are expected");
  if (bytes.size() < header) fail<file_error>(name, ": truncated inside its IDX header");

  idx_array result{{}, bytes.subspan(header)};
  std::uint64_t count = 1;
  for (std::size_t at = 4; at < header; at += 4) {
    const std::uint32_t extent = std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
                                 std::uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
    if (extent == 0 || extent > INT_MAX) fail<file_error>(name, ": dimension ", at / 4, " is ", extent);
    if (count > UINT64_MAX / extent) fail<file_error>(name, ": its dimensions ask for more than 2^64 bytes");
    count *= extent;
    result.extents.push_back(static_cast<int>(extent));
  }
  if (result.values.size() < count)
    fail<file_error>(name, ": truncated: ", result.values.size(), " bytes of data where its dimensions ask for ",
                     count);
  if (result.values.size() > count)
    fail<file_error>(name, ": ", result.values.size() - count, " bytes too many behind the ", count,
                     " that its dimensions ask for");
  return result;
}

ADVPROP_API dataset read_idx(const std::string& image_path, const std::string& label_path, int classes,
                             std::size_t limit) {
  byte_vector bytes = read_decompressed(label_path, limit);
  const idx_array labels = parse_idx(bytes, 1, label_path);
  dataset result;
  result.name = image_path;
  result.classes = classes;
  result.labels.assign(labels.values.begin(), labels.values.end());
  for (int i = 0; i < result.size(); ++i)
    if (result.label(i) >= classes)
      fail<file_error>(label_path, ": label ", result.label(i), " of image ", i, " is outside 0..", classes - 1);

  bytes = read_decompressed(image_path, limit);
  const idx_array images = parse_idx(bytes, 3, image_path);
  if (images.extents[0] != result.size())
    fail<file_error>(image_path, ": ", images.extents[0], " images, but ", label_path, " has ", result.size(),
                     " labels");
  result.image_shape = {1, images.extents[1], images.extents[2]};
  result.pixels.assign(images.values.begin(), images.values.end());
  result.check();
  return result;
}

ADVPROP_API dataset load_mnist(const std::string& folder, split part) {
  const bool train = part == split::train;
  const auto images = train ? find_file(folder, {"train-images-idx3-ubyte", "train-images.idx3-ubyte"})
                            : find_file(folder, {"t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"});
  const auto labels = train ? find_file(folder, {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"})
                            : find_file(folder, {"t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"});
  dataset result = read_idx(images, labels, 10);
  result.name = "MNIST";
  result.class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  return result;
}

ADVPROP_API dataset load_fashion_mnist(const std::string& folder, split part) {
  dataset result = load_mnist(folder, part);
  result.name = "Fashion-MNIST";
  result.class_names = {"T-shirt/top", "trouser", "pullover", "dress", "coat",
                        "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};
  return result;
}

}  // namespace advprop
