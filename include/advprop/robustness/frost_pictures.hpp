// The pictures of frost that the corruption `frost` lays over an image.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/image_file.hpp>
#include <advprop/data/resize.hpp>
#include <advprop/robustness/corruption.hpp>

namespace advprop::robustness {

/// Five of the six pictures that come with the official script (github.com/hendrycks/robustness, the folder
/// ImageNet-C/create_c), which never draws the sixth.
class frost_pictures {
 public:
  /// Reads frost1.png, frost2.png, frost3.png, frost4.jpg and frost5.jpg. Throws `file_error` naming folder and file.
  explicit frost_pictures(const std::string& folder);

  /// A part of a picture, both drawn. CIFAR's scale takes pictures of a fifth of the size. Pictures that are not larger
  /// than the part are enlarged.
  byte_image part(int height, int width, severity_scale scale, random_stream& rng) const;

 private:
  std::vector<byte_image> large_, small_;
};

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/frost_pictures.inl>
#endif
