// The corruption elastic_transform.
#pragma once

#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/robustness/severity_table.hpp>

namespace advprop::robustness {

namespace detail {

struct point {
  double x, y;
};

}  // namespace detail

/// Three points move at random and the image with them, then every pixel by a smooth random field.
ADVPROP_API byte_image elastic_transform(const byte_image& image, const elastic_strength& s, random_stream& rng);

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/elastic.inl>
#endif
