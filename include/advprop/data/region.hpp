// Parts of an image, and how torchvision's RandomResizedCrop and RandomErasing choose them at random.
#pragma once

#include <cmath>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>

namespace advprop {

/// Whole pixels of an image.
struct pixel_region {
  int top = 0, left = 0, height = 0, width = 0;
  friend bool operator==(const pixel_region&, const pixel_region&) = default;
};

/// From low to high, both included.
struct interval {
  float low = 0, high = 1;
};

}  // namespace advprop

namespace advprop::detail {

/// Ten tries: an area that is `scale` of the image's, one side over the other log-uniform in `ratio`, both in whole
/// pixels. The first for which fits(one, other) is true ends it; false where none is. `who` is named by errors.
template <class Fits>
bool random_sides(const char* who, int height, int width, interval scale, interval ratio, random_stream& rng,
                  const Fits& fits) {
  if (!(scale.low > 0 && scale.low <= scale.high && scale.high <= 1))
    fail<argument_error>(who, ": scale ", scale.low, " to ", scale.high, " is not a range in (0, 1]");
  if (!(ratio.low > 0 && ratio.low <= ratio.high && std::isfinite(ratio.high)))
    fail<argument_error>(who, ": ratio ", ratio.low, " to ", ratio.high, " is not a range above 0");
  const double area = static_cast<double>(height) * width;
  const float low = std::log(ratio.low), high = std::log(ratio.high);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * static_cast<double>(rng.uniform(scale.low, scale.high));
    const auto shape = static_cast<double>(std::exp(rng.uniform(low, high)));
    const double one = std::nearbyint(std::sqrt(target * shape));  // ties to even, as Python rounds
    const double other = std::nearbyint(std::sqrt(target / shape));
    if (fits(one, other)) return true;
  }
  return false;
}

/// A region of that size anywhere in the image.
inline pixel_region random_place(int height, int width, int rows, int columns, random_stream& rng) {
  const int top = rng.below(height - rows + 1), left = rng.below(width - columns + 1);
  return {top, left, rows, columns};
}

}  // namespace advprop::detail
