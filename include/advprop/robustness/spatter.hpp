// The corruption spatter, with the edge and distance operations of OpenCV that it is made of.
#pragma once

#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/robustness/severity_table.hpp>

namespace advprop::robustness {

/// Drops of water, which brighten, or mud, which covers.
ADVPROP_API byte_image spatter(const byte_image& image, const spatter_strength& s, random_stream& rng);

}  // namespace advprop::robustness

#if ADVPROP_HEADER_ONLY
#include <advprop/robustness/spatter.inl>
#endif
