// The definitions of random_erasing.hpp (core/linkage.hpp).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <advprop/core/error.hpp>
#include <advprop/data/random_erasing.hpp>

namespace advprop {

ADVPROP_API std::optional<pixel_region> random_erasing::choose(int height, int width, random_stream& rng) const {
  if (!(scale.low > 0 && scale.low <= scale.high && scale.high <= 1))
    fail<argument_error>("random_erasing: scale ", scale.low, " to ", scale.high, " is not a range in (0, 1]");
  if (!(ratio.low > 0 && ratio.low <= ratio.high && std::isfinite(ratio.high)))
    fail<argument_error>("random_erasing: ratio ", ratio.low, " to ", ratio.high, " is not a range above 0");
  const double area = static_cast<double>(height) * width;
  const float low = std::log(ratio.low), high = std::log(ratio.high);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * static_cast<double>(rng.uniform(scale.low, scale.high));
    const auto shape = static_cast<double>(std::exp(rng.uniform(low, high)));
    const double h = std::nearbyint(std::sqrt(target * shape));  // ties to even, as Python rounds
    const double w = std::nearbyint(std::sqrt(target / shape));
    if (h >= height || w >= width) continue;
    const int rows = static_cast<int>(h), columns = static_cast<int>(w);
    const int top = rng.below(height - rows + 1), left = rng.below(width - columns + 1);
    return pixel_region{top, left, rows, columns};
  }
  return std::nullopt;
}

/// write(row, column, channel, value) for each number that is overwritten.
template <class Write>
void random_erasing::erase(int height, int width, int channels, random_stream& rng, Write&& write) const {
  if (!(probability >= 0 && probability <= 1))
    fail<argument_error>("random_erasing: probability ", probability, " is outside [0, 1]");
  if (!fill.empty() && fill.size() != 1 && fill.size() != static_cast<std::size_t>(channels))
    fail<argument_error>("random_erasing: ", fill.size(), " fill values for ", channels,
                         " channels; must be none, 1 or ", channels);
  for (const float value : fill)
    if (!(value >= 0 && value <= 1)) fail<argument_error>("random_erasing: fill value ", value, " is outside [0, 1]");
  if (!(rng.uniform() < probability)) return;
  const std::optional<pixel_region> hole = choose(height, width, rng);
  if (!hole) return;
  random_stream noise = rng.split(rng.next());  // so that what follows does not depend on the hole's size
  for (int y = hole->top; y < hole->top + hole->height; ++y)
    for (int x = hole->left; x < hole->left + hole->width; ++x)
      for (int c = 0; c < channels; ++c)
        write(y, x, c, fill.empty() ? noise.uniform() : fill[fill.size() == 1 ? 0 : static_cast<std::size_t>(c)]);
}

ADVPROP_API void random_erasing::operator()(single_image image, random_stream& rng) const {
  erase(image.extent(0), image.extent(1), image.extent(2), rng,
        [&](int y, int x, int c, float value) { image(y, x, c) = value; });
}

ADVPROP_API void random_erasing::operator()(byte_image& image, random_stream& rng) const {
  erase(image.height, image.width, image.channels, rng, [&](int y, int x, int c, float value) {
    image.row(y)[x * image.channels + c] = static_cast<std::uint8_t>(value * 255.f + 0.5f);
  });
}

}  // namespace advprop
