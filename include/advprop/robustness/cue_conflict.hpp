// Pictures whose shape says one class and whose texture another (Geirhos et al., "ImageNet-trained CNNs are biased
// towards texture", ICLR 2019).
#pragma once

#include <span>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/image_folder.hpp>
#include <advprop/robustness/scores.hpp>

namespace advprop::robustness {

/// Classes of everyday words, each made of some of the network's classes.
struct cue_classes {
  std::vector<std::string> names;
  std::vector<std::vector<int>> logits;  ///< of each name

  /// One name for each of the network's classes.
  static cue_classes of(const std::vector<std::string>& names);
  /// The 16 classes of the published pictures as parts of ImageNet's 1,000 (rgeirhos/texture-vs-shape,
  /// human_categories.py).
  static cue_classes imagenet();

  /// The name whose classes have the largest mean probability (as published); the first of those that have.
  int decide(std::span<const float> z) const;
};

/// Shape and texture from a file name such as cat7-truck3.png, as positions in `names`. Throws `file_error` beginning
/// with `path` for any other name.
[[gnu::cold]] ADVPROP_API cue_decision cues_of(const std::string& path, const std::vector<std::string>& names);

/// The cues of each picture of a folder, undecided.
[[gnu::cold]] ADVPROP_API std::vector<cue_decision> cues_of(const image_folder& pictures,
                                                            const std::vector<std::string>& names);

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/cue_conflict.inl>
#endif
