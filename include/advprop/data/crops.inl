// The definitions of crops.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <advprop/core/error.hpp>
#include <advprop/data/crops.hpp>
#include <advprop/data/image_limits.hpp>
#include <advprop/data/region.hpp>

namespace advprop {

ADVPROP_API byte_image resized_crop(const byte_image& image, const pixel_region& r, int height, int width,
                                    resampling filter) {
  detail::check_size("resized_crop", height, width);
  if (r.top < 0 || r.left < 0 || r.height < 1 || r.width < 1 || r.height > image.height - r.top ||
      r.width > image.width - r.left)
    fail<argument_error>("resized_crop: ", r.height, " x ", r.width, " pixels from row ", r.top, ", column ", r.left,
                         " on are not inside an image of ", image.height, " x ", image.width);
  return detail::resized(image.row(r.top) + std::ptrdiff_t{r.left} * image.channels, r.height, r.width, image.channels,
                         image.row_bytes(), {0, 0, static_cast<float>(r.width), static_cast<float>(r.height)}, height,
                         width, filter);
}

ADVPROP_API void random_resized_crop::operator()(byte_image& image, random_stream& rng) const {
  image = resized_crop(image, choose(image.height, image.width, rng), size, size, filter);
}

ADVPROP_API void resize_shorter::operator()(byte_image& image) const {
  detail::check_size("resize_shorter", size, size);
  const int shorter = std::min(image.height, image.width), longer = std::max(image.height, image.width);
  if (shorter == size) return;
  const std::int64_t longer_side = std::int64_t{size} * longer / shorter;
  if (const std::int64_t limit = image_limits{}.pixels; longer_side > limit / size)  // a thread of pixels
    fail<argument_error>("resize_shorter: an image of ", image.height, " x ", image.width, " would become ",
                         longer_side, " pixels long, with ", size, " on the other side: more than ", limit);
  const auto other = static_cast<int>(longer_side);
  image = image.height < image.width ? resize(image, size, other, filter) : resize(image, other, size, filter);
}

ADVPROP_API void center_crop::operator()(byte_image& image) const {
  if (!(fraction > 0 && fraction <= 1)) fail<argument_error>("center_crop: fraction ", fraction, " is outside (0, 1]");
  resize_shorter{static_cast<int>(size / fraction), filter}(image);
  image = crop(image, {detail::round_even((image.height - size) / 2.0), detail::round_even((image.width - size) / 2.0),
                       size, size});
}

ADVPROP_API pixel_region random_resized_crop::choose(int height, int width, random_stream& rng) const {
  detail::check_size("random_resized_crop", size, size);
  int w = width, h = height;
  const bool found =
      detail::random_sides("random_resized_crop", height, width, scale, ratio, rng, [&](double wide, double tall) {
        if (wide < 1 || wide > width || tall < 1 || tall > height) return false;
        w = static_cast<int>(wide);
        h = static_cast<int>(tall);
        return true;
      });
  if (found) return detail::random_place(height, width, h, w, rng);
  const double mine = static_cast<double>(width) / height;
  if (mine < static_cast<double>(ratio.low))
    h = std::clamp(detail::round_even(w / static_cast<double>(ratio.low)), 1, height);
  else if (mine > static_cast<double>(ratio.high))
    w = std::clamp(detail::round_even(h * static_cast<double>(ratio.high)), 1, width);
  return {(height - h) / 2, (width - w) / 2, h, w};
}

}  // namespace advprop
