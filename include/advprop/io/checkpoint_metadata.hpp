// What a checkpoint says about its network besides the tensors: how images are to be shown to it, and what its answers
// mean.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/channel_statistics.hpp>
#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/number_text.hpp>
#include <advprop/io/json_string.hpp>
#include <advprop/io/safetensors.hpp>

namespace advprop {

/// Each member may be empty or 0, not recorded: files of PyTorch and timm have none. It lies in `__metadata__` of a
/// safetensors file, each member as text under its name ("advprop.image_size"); numbers of a list have commas between
/// them, class names are lines.
struct checkpoint_metadata {
  std::string model{};                     ///< the network's name, such as "resnet20"
  std::string data{};                      ///< of the data set that it learnt from
  int channels = 0;                        ///< of an image
  int classes = 0;                         ///< that it tells apart
  std::vector<std::string> class_names{};  ///< in the order of the logits
  channel_statistics normalization{};      ///< of its input stage ("advprop.mean", "advprop.deviation")
  int image_size = 0;                      ///< height and width of images, in pixels; at most 16,384
  double crop_fraction = 0;                ///< what `center_crop` shows of an image's shorter side; 0.01 to 1
  std::string interpolation{};             ///< the filter of that resizing, such as "bicubic"

  friend bool operator==(const checkpoint_metadata&, const checkpoint_metadata&) = default;
};

/// What the file records. Throws `file_error` naming file and entry for numbers that are none, are out of range, or do
/// not fit one another.
[[gnu::cold]] ADVPROP_API checkpoint_metadata metadata_of(const safetensors& file);
inline checkpoint_metadata read_metadata(const std::string& path) { return metadata_of(safetensors::read(path)); }

/// The entries of `__metadata__`; what is not recorded has none. Throws `argument_error` for text that is not UTF-8, a
/// class name that is empty or more than one line, another number of these than of classes, and an image size or crop
/// fraction that is out of range.
[[gnu::cold]] ADVPROP_API safetensors::metadata_map metadata_entries(const checkpoint_metadata& m);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/checkpoint_metadata.inl>
#endif
