// The definitions of cifar.hpp (core/linkage.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include <advprop/core/parallel.hpp>
#include <advprop/data/cifar.hpp>

namespace advprop {

ADVPROP_API void parse_cifar(byte_span bytes, cifar_format format, const std::string& name, dataset& into) {
  const auto record = static_cast<std::size_t>(format.record());
  const std::size_t count = bytes.size() / record;
  if (bytes.empty()) fail<file_error>(name, ": truncated: no records");
  if (bytes.size() % record != 0)
    fail<file_error>(name, ": truncated or oversized: ", bytes.size(), " bytes are ", count, " records of ", record,
                     " bytes and ", bytes.size() % record, " more");
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* at = bytes.data() + i * record;
    if (format.coarse_classes > 0 && at[0] >= format.coarse_classes)
      fail<file_error>(name, ": coarse label ", at[0], " of image ", i, " is outside 0..", format.coarse_classes - 1);
    if (at[format.label_bytes() - 1] >= format.classes)
      fail<file_error>(name, ": label ", at[format.label_bytes() - 1], " of image ", i, " is outside 0..",
                       format.classes - 1);
  }

  constexpr std::size_t plane = std::size_t{cifar_format::side} * cifar_format::side;
  into.classes = format.classes;
  into.image_shape = {3, cifar_format::side, cifar_format::side};
  std::size_t out = into.pixels.size();
  into.pixels.resize(out + count * cifar_format::pixels);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* at = bytes.data() + i * record + format.label_bytes();
    into.labels.push_back(at[-1]);
    for (std::size_t p = 0; p < plane; ++p)
      for (std::size_t c = 0; c < 3; ++c) into.pixels[out++] = at[c * plane + p];
  }
}

ADVPROP_API dataset read_cifar(const std::string& path, cifar_format format, std::size_t limit) {
  dataset result;
  result.name = path;
  parse_cifar(read_decompressed(path, limit), format, path, result);
  return result;
}

}  // namespace advprop

namespace advprop::detail {

/// The files one after the other, each of exactly `records` (a file cut between two records would else go unnoticed).
[[gnu::cold]] inline dataset load_cifar(const std::vector<std::string>& paths, cifar_format format, int records) {
  const std::size_t expected = static_cast<std::size_t>(records) * static_cast<std::size_t>(format.record());
  std::vector<byte_vector> contents(paths.size());
  // xz takes a second and a half a file.
  rethrow_first(parallel_try(processors(), std::ssize(paths), [&](std::ptrdiff_t i) {
    const auto at = static_cast<std::size_t>(i);
    contents[at] = read_decompressed(paths[at], 2 * expected);
  }));
  dataset result;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (contents[i].size() != expected)
      fail<file_error>(paths[i], ": truncated or oversized: ", contents[i].size(), " bytes instead of ", expected, " (",
                       records, " records)");
    if (i == 0) result.pixels.reserve(paths.size() * static_cast<std::size_t>(records) * cifar_format::pixels);
    parse_cifar(contents[i], format, paths[i], result);
    contents[i] = {};
  }
  return result;
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API dataset load_cifar10(const std::string& folder, split part) {
  std::vector<std::string> paths;
  if (part == split::test)
    paths = {find_file(folder, {"test_batch.bin"})};
  else
    for (const char* name :
         {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"})
      paths.push_back(find_file(folder, {name}));
  dataset result = detail::load_cifar(paths, cifar10_format, 10000);
  result.name = "CIFAR-10";
  result.class_names = cifar10_class_names();
  return result;
}

ADVPROP_API dataset load_cifar100(const std::string& folder, split part) {
  const bool train = part == split::train;
  dataset result = detail::load_cifar({find_file(folder, {train ? "train.bin" : "test.bin"})}, cifar100_format,
                                      train ? 50000 : 10000);
  result.name = "CIFAR-100";
  result.class_names = {
      "apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
      "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
      "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
      "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
      "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
      "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
      "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
      "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
      "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
      "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
      "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
      "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
      "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
      "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
      "woman",      "worm"};
  return result;
}

}  // namespace advprop
