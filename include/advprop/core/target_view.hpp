// What the images of a batch are to be classified as: a label each, or a share of every class.
#pragma once

#include <advprop/core/error.hpp>
#include <advprop/core/host_device.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/core/tensor.hpp>

namespace advprop {

/// The class with the largest share after the label's, the lower one on a tie; -1 when the label has all, or `shares`
/// is null.
ADVPROP_HD constexpr int second_class(const float* shares, int classes, int label) {
  int best = -1;
  for (int k = 0; shares && k < classes; ++k)
    if (k != label && shares[k] > (best < 0 ? 0.f : shares[best])) best = k;
  return best;
}

/// A uniformly random class but the label and, where a third one is left, `second`. Takes one position of r.
ADVPROP_HD constexpr int wrong_class(int label, int second, int classes, random_stream r) {
  if (second < 0 || classes < 3) return (label + 1 + r.below(classes - 1)) % classes;
  const int low = label < second ? label : second, high = label < second ? second : label;
  int k = r.below(classes - 2);
  k += k >= low;
  return k + (k >= high);
}

/// Labels, one per image, and with `soft` (batch x classes, each row adding up to 1) the probabilities that a loss is
/// taken for; then the label is the class with the largest share. Labels alone are targets, too: they convert.
struct target_view : const_label_view {
  view<const float, 2> soft;  ///< data null: hard labels

  target_view() = default;
  target_view(const_label_view labels, view<const float, 2> probabilities = {})  // NOLINT: labels are targets
      : const_label_view(labels), soft(probabilities) {}
  target_view(label_view labels) : const_label_view(labels) {}                    // NOLINT
  target_view(const tensor<int, 1>& labels) : const_label_view(labels.view()) {}  // NOLINT

  target_view slice(int first, int count) const {
    return {const_label_view::slice(first, count), soft.data() ? soft.slice(first, count) : soft};
  }
  /// `second_class` of image i.
  int second(int i) const {
    return soft.data() ? second_class(soft.data() + i * soft.stride(), soft.extent(1), (*this)(i)) : -1;
  }
};

/// Throws `argument_error` beginning with `who` when there is not one target per image, not one share per class, or a
/// label outside 0 .. classes-1. Labels that are not `readable` lie in a device's memory, where they were chosen.
inline void check_targets(const char* who, const target_view& t, int images, int classes, bool readable = true) {
  if (t.extent(0) != images) fail<argument_error>(who, ": ", images, " images but ", t.extent(0), " labels");
  if (t.soft.data() && (t.soft.extent(0) != images || t.soft.extent(1) != classes))
    fail<argument_error>(who, ": soft labels are ", t.soft.extent(0), " x ", t.soft.extent(1), ", not ", images, " x ",
                         classes);
  for (int i = 0; readable && i < images; ++i)
    if (t(i) < 0 || t(i) >= classes)
      fail<argument_error>(who, ": label ", t(i), " of image ", i, " is outside 0..", classes - 1);
}

}  // namespace advprop
