// Weather corruptions: snow, frost, fog.
#pragma once

#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/robustness/float_image.hpp>
#include <advprop/robustness/frost_pictures.hpp>
#include <advprop/robustness/severity_table.hpp>

namespace advprop::robustness {

namespace detail {

/// Normal random numbers, height x width.
ADVPROP_API float_image normal_layer(int height, int width, double mean, double deviation, random_stream& rng);

/// Values below the threshold become 0.
inline void drop_below(float_image& layer, double threshold) {
  for (float& v : layer.values)
    if (static_cast<double>(v) < threshold) v = 0;
}

}  // namespace detail

/// Adds a height map and scales back by the brightest value.
ADVPROP_API byte_image fog(byte_image image, const fog_strength& s, random_stream& rng);

/// A weighted sum with a part of a picture of frost.
ADVPROP_API byte_image frost(byte_image image, const frost_strength& s, const frost_pictures& pictures,
                             severity_scale scale, random_stream& rng);

/// A layer of flakes, blurred along a direction drawn from -135 to -45 degrees, laid over a paler image twice: as it is
/// and turned by 180 degrees.
ADVPROP_API byte_image snow(const byte_image& image, const snow_strength& s, random_stream& rng);

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/weather.inl>
#endif
