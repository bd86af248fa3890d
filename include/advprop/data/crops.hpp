// Crops of 8-bit images of any size: what ImageNet training and evaluation use.
#pragma once

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/region.hpp>
#include <advprop/data/resize.hpp>

namespace advprop {

/// Cuts a region out and resizes it; pixels around it do not count. Throws `argument_error` for an empty size, and for
/// a region that is empty or not inside.
ADVPROP_API byte_image resized_crop(const byte_image& image, const pixel_region& r, int height, int width,
                                    resampling filter = resampling::bicubic);

/// A region, unchanged.
inline byte_image crop(const byte_image& image, const pixel_region& r) {
  return resized_crop(image, r, r.height, r.width);
}

/// A random part of the image, resized to a square (Szegedy et al. 2015, "Inception crop"): its area is `scale` of the
/// image's, its width over its height is log-uniform in `ratio`. As torchvision: ten tries, then the largest central
/// region whose shape is in `ratio`.
struct random_resized_crop {
  int size = 224;
  interval scale = {0.08f, 1.0f};
  interval ratio = {3.0f / 4, 4.0f / 3};
  resampling filter = resampling::bicubic;

  /// Where the next image is cut. Throws `argument_error` for a size below 1 and ranges that are empty or not positive.
  pixel_region choose(int height, int width, random_stream& rng) const;
  void operator()(byte_image& image, random_stream& rng) const;
};

/// Resizes to `size` on the shorter side and keeps the shape: `torchvision.transforms.Resize(size)`.
struct resize_shorter {
  int size = 256;
  resampling filter = resampling::bicubic;

  void operator()(byte_image& image) const;
  void operator()(byte_image& image, random_stream&) const { (*this)(image); }
};

/// The evaluation of timm: the shorter side becomes size / fraction, rounded down, and the central square is cut out.
struct center_crop {
  int size = 224;
  double fraction = 0.875;
  resampling filter = resampling::bicubic;

  void operator()(byte_image& image) const;
  void operator()(byte_image& image, random_stream&) const { (*this)(image); }
};

/// The whole image, uncropped, for sets whose images are stored as they are looked at: ImageNet-C, Stylized-ImageNet.
/// One of size x size stays as it is; others are resized, whatever their shape.
struct whole_image {
  int size = 224;
  resampling filter = resampling::bicubic;

  void operator()(byte_image& image) const {
    if (image.height != size || image.width != size) image = resize(image, size, size, filter);
  }
  void operator()(byte_image& image, random_stream&) const { (*this)(image); }
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/crops.inl>
#endif
