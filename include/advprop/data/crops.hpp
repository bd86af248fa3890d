// Crops and flips of 8-bit images of any size: what ImageNet training and evaluation use.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/resize.hpp>

namespace advprop {

/// Whole pixels of an image.
struct pixel_region {
  int top = 0, left = 0, height = 0, width = 0;
  friend bool operator==(const pixel_region&, const pixel_region&) = default;
};

/// Cuts a region out and resizes it; pixels around it do not count. Throws `argument_error` for an empty size, and for
/// a region that is empty or not inside.
inline byte_image resized_crop(const byte_image& image, const pixel_region& r, int height, int width,
                               resampling filter = resampling::bicubic) {
  detail::check_size("resized_crop", height, width);
  if (r.top < 0 || r.left < 0 || r.height < 1 || r.width < 1 || r.height > image.height - r.top ||
      r.width > image.width - r.left)
    fail<argument_error>("resized_crop: ", r.height, " x ", r.width, " pixels from row ", r.top, ", column ", r.left,
                         " on are not inside an image of ", image.height, " x ", image.width);
  return detail::resized(image.row(r.top) + std::ptrdiff_t{r.left} * image.channels, r.height, r.width, image.channels,
                         image.row_bytes(), {0, 0, static_cast<float>(r.width), static_cast<float>(r.height)}, height,
                         width, filter);
}

/// A region, unchanged.
inline byte_image crop(const byte_image& image, const pixel_region& r) {
  return resized_crop(image, r, r.height, r.width);
}

struct interval {
  float low = 0, high = 1;
};

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
  void operator()(byte_image& image, random_stream& rng) const {
    image = resized_crop(image, choose(image.height, image.width, rng), size, size, filter);
  }
};

/// Resizes to `size` on the shorter side and keeps the shape: `torchvision.transforms.Resize(size)`.
struct resize_shorter {
  int size = 256;
  resampling filter = resampling::bicubic;

  void operator()(byte_image& image) const {
    detail::check_size("resize_shorter", size, size);
    const int shorter = std::min(image.height, image.width), longer = std::max(image.height, image.width);
    if (shorter == size) return;
    const auto other = static_cast<int>(std::int64_t{size} * longer / shorter);
    image = image.height < image.width ? resize(image, size, other, filter) : resize(image, other, size, filter);
  }
  void operator()(byte_image& image, random_stream&) const { (*this)(image); }
};

/// The evaluation of timm: the shorter side becomes size / fraction, rounded down, and the central square is cut out.
struct center_crop {
  int size = 224;
  double fraction = 0.875;
  resampling filter = resampling::bicubic;

  void operator()(byte_image& image) const {
    if (!(fraction > 0 && fraction <= 1))
      fail<argument_error>("center_crop: fraction ", fraction, " is outside (0, 1]");
    resize_shorter{static_cast<int>(size / fraction), filter}(image);
    image = crop(image, {detail::round_even((image.height - size) / 2.0),
                         detail::round_even((image.width - size) / 2.0), size, size});
  }
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

inline pixel_region random_resized_crop::choose(int height, int width, random_stream& rng) const {
  detail::check_size("random_resized_crop", size, size);
  if (!(scale.low > 0 && scale.low <= scale.high && scale.high <= 1))
    fail<argument_error>("random_resized_crop: scale ", scale.low, " to ", scale.high, " is no range in (0, 1]");
  if (!(ratio.low > 0 && ratio.low <= ratio.high && std::isfinite(ratio.high)))
    fail<argument_error>("random_resized_crop: ratio ", ratio.low, " to ", ratio.high, " is no range above 0");
  const double area = static_cast<double>(height) * width;
  const float low = std::log(ratio.low), high = std::log(ratio.high);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * static_cast<double>(rng.uniform(scale.low, scale.high));
    const auto shape = static_cast<double>(std::exp(rng.uniform(low, high)));
    const double real_width = std::nearbyint(std::sqrt(target * shape));  // ties to even, as Python rounds
    const double real_height = std::nearbyint(std::sqrt(target / shape));
    if (real_width < 1 || real_width > width || real_height < 1 || real_height > height) continue;
    const int w = static_cast<int>(real_width), h = static_cast<int>(real_height);
    const int top = rng.below(height - h + 1), left = rng.below(width - w + 1);
    return {top, left, h, w};
  }
  const double mine = static_cast<double>(width) / height;
  int w = width, h = height;
  if (mine < static_cast<double>(ratio.low))
    h = std::clamp(detail::round_even(w / static_cast<double>(ratio.low)), 1, height);
  else if (mine > static_cast<double>(ratio.high))
    w = std::clamp(detail::round_even(h * static_cast<double>(ratio.high)), 1, width);
  return {(height - h) / 2, (width - w) / 2, h, w};
}

}  // namespace advprop
