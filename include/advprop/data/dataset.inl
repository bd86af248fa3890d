// The definitions of dataset.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <advprop/data/dataset.hpp>

namespace advprop {

ADVPROP_API dataset::dataset(view<const std::uint8_t, 4> images, const_label_view image_labels, int class_count,
                             std::string title)
    : name(std::move(title)),
      classes(class_count),
      image_shape(detail::image_shape(images)),
      pixels(images.begin(), images.end()),
      labels(image_labels.begin(), image_labels.end()) {
  check();
}

ADVPROP_API void dataset::check() const {
  const auto [c, h, w] = image_shape;
  if (c < 1 || h < 1 || w < 1) fail<argument_error>(name, ": images of ", h, "x", w, "x", c, " pixels are empty");
  if (labels.empty()) fail<argument_error>(name, ": no images");
  if (labels.size() > INT_MAX) fail<argument_error>(name, ": ", labels.size(), " images are more than an int counts");
  if (pixels.size() / labels.size() != static_cast<std::size_t>(image_shape.size()) ||
      pixels.size() % labels.size() != 0)
    fail<argument_error>(name, ": ", pixels.size(), " pixel values do not make ", labels.size(), " images of ", h, "x",
                         w, "x", c);
  if (!class_names.empty() && class_names.size() != static_cast<std::size_t>(std::max(classes, 0)))
    fail<argument_error>(name, ": ", class_names.size(), " class names for ", classes, " classes");
  check_labels(*this, name);
}

ADVPROP_API dataset dataset::subset(int first, int count) const {
  if (first < 0 || count < 1 || first > size() - count)
    fail<argument_error>(name, ": a subset of ", count, " images from ", first, " on does not lie in ", size());
  dataset part = like();
  part.pixels.assign(bytes(first), bytes(first) + count * image_shape.size());
  part.labels.assign(labels.begin() + first, labels.begin() + first + count);
  return part;
}

ADVPROP_API dataset dataset::subset(const std::vector<int>& images) const {
  if (images.empty()) fail<argument_error>(name, ": a subset of no images");
  dataset part = like();
  part.pixels.reserve(images.size() * static_cast<std::size_t>(image_shape.size()));
  for (const int i : images) {
    if (i < 0 || i >= size()) fail<argument_error>(name, ": there is no image ", i, " of ", size());
    part.pixels.insert(part.pixels.end(), bytes(i), bytes(i) + image_shape.size());
    part.labels.push_back(label(i));
  }
  return part;
}

}  // namespace advprop
