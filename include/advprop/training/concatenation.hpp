// Several parts of a step as one batch.
#pragma once

#include <algorithm>
#include <span>

#include <advprop/attacks/device_images.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/training/step.hpp>

namespace advprop::detail {

/// The images of several parts, one after the other, for one concatenated pass.
template <class Device, int Classes>
struct concatenation {
  static constexpr int classes = Classes;
  image_buffer<Device> images;
  tensor<int, 1> labels;
  tensor<float, 2> soft;  // when any part has soft labels
  int filled = 0;

  concatenation(Device& d, int count, const_image_view like)
      : images(d, {count, like.extent(1), like.extent(2), like.extent(3)}), labels({count}) {}
  /// Appends a part and returns where it lies now.
  image_view push(const labelled_images& part) {
    const int n = part.images.extent(0);
    const auto &own = images.extents(), &other = part.images.extents();
    check_targets("step", part.labels, n, classes);
    if (!std::equal(own.begin() + 1, own.end(), other.begin() + 1))
      fail<argument_error>("step: images of ", other[1], "x", other[2], "x", other[3], " among images of ", own[1], "x",
                           own[2], "x", own[3]);
    const image_view to = static_cast<const image_view&>(images).slice(filled, n);
    check_host_images("step", *images.device, part.images);  // or the attack would be blamed
    copy_images(*images.device, part.images, to);
    std::copy_n(part.labels.data(), n, labels.data() + filled);
    if (part.labels.soft.data() && soft.size() == 0) {
      soft.resize({labels.extent(0), classes});
      for (int i = 0; i < filled; ++i) soft(i, labels(i)) = 1;
    }
    for (int i = 0; soft.size() != 0 && i < n; ++i) {
      if (part.labels.soft.data())
        std::copy_n(&part.labels.soft(i, 0), classes, &soft(filled + i, 0));
      else
        soft(filled + i, part.labels(i)) = 1;
    }
    filled += n;
    return to;
  }
  labelled_images all() const {
    return {const_image_view(images), {labels.view(), soft.size() == 0 ? view<const float, 2>() : soft.view()}};
  }
};

}  // namespace advprop::detail
