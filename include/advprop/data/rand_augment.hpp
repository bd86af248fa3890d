// RandAugment (Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", 2020).
#pragma once

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/augment_op.hpp>
#include <advprop/data/byte_image.hpp>

namespace advprop {

/// `operations` of the 14 (all but `invert`), each drawn uniformly, all at one magnitude with a random sign: the
/// operations and magnitudes of torchvision.transforms.RandAugment.
struct rand_augment {
  int operations = 2;
  /// 0 (weakest) .. bins-1.
  int magnitude = 9;
  int bins = 31;
  warp moves = {};

  /// Takes two positions of the stream for each operation. Throws `argument_error` for a negative number of operations
  /// and a magnitude outside its bins.
  void operator()(byte_image& image, random_stream& rng) const {
    if (operations < 0) fail<argument_error>("rand_augment: ", operations, " operations; must be 0 or more");
    for (int i = 0; i < operations; ++i) {
      const auto op = static_cast<augment_op>(rng.below(static_cast<int>(augment_op::invert)));
      const bool negative = rng.below(2) == 1;
      const float m = augment_magnitude(op, magnitude, bins, image.height, image.width);
      apply_augment(image, op, negative && has_sign(op) ? -m : m, moves);
    }
  }
};

}  // namespace advprop
