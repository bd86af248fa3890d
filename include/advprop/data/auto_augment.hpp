// AutoAugment (Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", 2019).
#pragma once

#include <array>

#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/augment_op.hpp>
#include <advprop/data/byte_image.hpp>

namespace advprop {

/// The data set that a policy was searched on.
enum class auto_augment_policy { imagenet, cifar10 };

/// One operation of a sub-policy: how likely it is, and its magnitude, level 0..9.
struct policy_step {
  augment_op op;
  float probability;
  int level;
};

using sub_policies = std::array<std::array<policy_step, 2>, 25>;

/// The paper's 25 sub-policies (its appendix), as torchvision has them.
ADVPROP_API const sub_policies& policy_table(auto_augment_policy p);

/// One of 25 sub-policies, drawn uniformly: two operations, each applied with its probability, with a random sign. The
/// policies and magnitudes of torchvision.transforms.AutoAugment.
struct auto_augment {
  auto_augment_policy learnt_on = auto_augment_policy::imagenet;
  warp moves = {};

  /// Takes five positions of the stream.
  void operator()(byte_image& image, random_stream& rng) const;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/auto_augment.inl>
#endif
