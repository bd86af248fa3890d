// A random rectangle of an image overwritten.
#pragma once

#include <optional>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/region.hpp>

namespace advprop {

/// Overwrites a rectangle of random place, area and shape with noise or one colour (Zhong et al. 2020, "Random Erasing
/// Data Augmentation"). It is chosen as by torchvision: its area is `scale` of the image's, its height over its width
/// log-uniform in `ratio`; where ten tries give none that is smaller than the image in both directions, nothing is
/// overwritten. timm's noise is normal after normalization, which images in [0, 1] cannot hold: here it is the paper's.
struct random_erasing {
  float probability = 0.5f;
  interval scale = {0.02f, 0.33f};
  interval ratio = {0.3f, 3.3f};
  std::vector<float> fill = {};  ///< one number a channel, or one for all; none: noise, uniform in each pixel

  /// Where the next image is overwritten, once it shall be. Throws `argument_error` for ranges that are empty or not
  /// positive.
  std::optional<pixel_region> choose(int height, int width, random_stream& rng) const;
  void operator()(single_image image, random_stream& rng) const;
  void operator()(byte_image& image, random_stream& rng) const;

 private:
  template <class Write>
  void erase(int height, int width, int channels, random_stream& rng, Write&& write) const;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/random_erasing.inl>
#endif
