// Which way up a photograph is, as cameras note it.
#pragma once

#include <advprop/core/linkage.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/compressed.hpp>

namespace advprop::detail {

/// The orientation, 1 to 8, that EXIF data (a TIFF file) give; 1 where they give none.
ADVPROP_API int exif_orientation(byte_span tiff);

/// The image as it is to be looked at: EXIF orientations from 5 on exchange rows and columns.
ADVPROP_API byte_image oriented(byte_image image, int orientation);

}  // namespace advprop::detail

#if ADVPROP_HEADER_ONLY
#include <advprop/data/exif.inl>
#endif
