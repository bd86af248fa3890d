// What the images of a batch are to be classified as: a label each, or a share of every class.
#pragma once

#include <advprop/core/error.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/core/tensor.hpp>

namespace advprop {

/// Labels, one an image, and with `soft` (batch x classes, each row adding up to 1) the probabilities that a loss is
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
  /// The class with the largest share after the label's, the lower one on a tie; -1 when the label has all.
  int second(int i) const {
    int best = -1;
    for (int k = 0; soft.data() && k < soft.extent(1); ++k)
      if (k != (*this)(i) && soft(i, k) > (best < 0 ? 0.f : soft(i, best))) best = k;
    return best;
  }
};

/// Throws `argument_error` beginning with `who` when there is not one target an image, or not one share a class.
inline void check_targets(const char* who, const target_view& t, int images, int classes) {
  if (t.extent(0) != images) fail<argument_error>(who, ": ", images, " images but ", t.extent(0), " labels");
  if (t.soft.data() && (t.soft.extent(0) != images || t.soft.extent(1) != classes))
    fail<argument_error>(who, ": soft labels are ", t.soft.extent(0), " x ", t.soft.extent(1), ", not ", images, " x ",
                         classes);
}

}  // namespace advprop
