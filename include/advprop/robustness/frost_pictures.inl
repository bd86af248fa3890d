// The definitions of frost_pictures.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include <advprop/robustness/frost_pictures.hpp>

namespace advprop::robustness::detail {

/// The middle one of every 5 x 5 pixels: OpenCV's linear resize by 0.2.
inline byte_image every_fifth(const byte_image& image) {
  const auto shortened = [](int size) { return std::max(static_cast<int>(std::nearbyint(size * 0.2)), 1); };
  byte_image result = byte_image::of(shortened(image.height), shortened(image.width), image.channels);
  for (int y = 0; y < result.height; ++y)
    for (int x = 0; x < result.width; ++x)
      std::copy_n(
          image.row(std::min(5 * y + 2, image.height - 1)) + std::min(5 * x + 2, image.width - 1) * image.channels,
          image.channels, result.row(y) + x * image.channels);
  return result;
}

}  // namespace advprop::robustness::detail

namespace advprop::robustness {

ADVPROP_API frost_pictures::frost_pictures(const std::string& folder) {
  for (const char* name : {"frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg"}) {
    const std::string path = (std::string(folder) += "/") += name;
    try {
      large_.push_back(read_image(path));
    } catch (const file_error& e) {
      fail<file_error>("the corruption frost needs its pictures: ", e.what());
    }
    small_.push_back(detail::every_fifth(large_.back()));
  }
}

ADVPROP_API byte_image frost_pictures::part(int height, int width, severity_scale scale, random_stream& rng) const {
  const auto& all = scale == severity_scale::imagenet ? large_ : small_;
  const byte_image* picture = &all[static_cast<std::size_t>(rng.below(static_cast<int>(all.size())))];
  byte_image enlarged;
  if (const double factor = std::max((height + 1.0) / picture->height, (width + 1.0) / picture->width); factor > 1) {
    const auto larger = [factor](int size) { return static_cast<int>(std::ceil(size * factor)); };
    enlarged = resize(*picture, larger(picture->height), larger(picture->width), resampling::bilinear);
    picture = &enlarged;
  }
  const int top = rng.below(picture->height - height), left = rng.below(picture->width - width);
  byte_image result = byte_image::of(height, width, picture->channels);
  for (int y = 0; y < height; ++y)
    std::copy_n(picture->row(top + y) + left * picture->channels, result.row_bytes(), result.row(y));
  return result;
}

}  // namespace advprop::robustness
