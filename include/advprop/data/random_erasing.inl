// The definitions of random_erasing.hpp (core/linkage.hpp).
#pragma once

#include <cstddef>
#include <optional>

#include <advprop/core/error.hpp>
#include <advprop/data/random_erasing.hpp>
#include <advprop/data/region.hpp>

namespace advprop {

ADVPROP_API std::optional<pixel_region> random_erasing::choose(int height, int width, random_stream& rng) const {
  int rows = 0, columns = 0;
  const bool found =
      detail::random_sides("random_erasing", height, width, scale, ratio, rng, [&](double tall, double wide) {
        if (tall >= height || wide >= width) return false;
        rows = static_cast<int>(tall);
        columns = static_cast<int>(wide);
        return true;
      });
  if (!found) return std::nullopt;
  return detail::random_place(height, width, rows, columns, rng);
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
  erase(image.height, image.width, image.channels, rng,
        [&](int y, int x, int c, float value) { image.row(y)[x * image.channels + c] = detail::nearest_byte(value); });
}

}  // namespace advprop
