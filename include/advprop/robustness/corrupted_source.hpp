// A source whose images are corrupted as they are read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/robustness/corrupt.hpp>

namespace advprop::robustness {

/// Image i is what `write_cifar_c` writes of it: it has the random numbers of `corruption_stream(s, kind, severity,
/// i)`. The source is copied: give a `folder_view`, an `array_source` or such of what is large. What `options.frost`
/// points to must outlive it. Several threads may read at once.
template <source Source>
class corrupted_source {
 public:
  int classes;
  std::vector<std::string> class_names;

  /// Throws `argument_error` for a severity outside 1..5, and `frost` without pictures.
  corrupted_source(Source images, corruption kind, int severity, seed s, const corruption_options& options = {})
      : classes(images.classes),
        images_(std::move(images)),
        kind_(kind),
        severity_(severity),
        seed_(s),
        options_(options) {
    if constexpr (requires { images_.class_names; }) class_names = images_.class_names;
    if (const int channels = images_.image().channels; channels != 1 && channels != 3)
      fail<argument_error>(to_string(kind), ": images of ", channels, " channels; must be grey or RGB");
    detail::check_corruption(kind, severity, options);
  }

  int size() const { return images_.size(); }
  shape image() const { return images_.image(); }
  int label(int i) const { return images_.label(i); }

  void read(int i, float* out) const {
    const shape size = image();
    images_.read(i, out);
    byte_image clean = byte_image::of(size.height, size.width, size.channels);
    std::transform(out, out + size.size(), clean.pixels.begin(), advprop::detail::nearest_byte);
    random_stream rng = corruption_stream(seed_, kind_, severity_, static_cast<std::size_t>(i));
    const byte_image result = corrupt(clean, kind_, severity_, rng, options_);
    advprop::detail::to_unit(result.pixels.data(), static_cast<std::ptrdiff_t>(result.pixels.size()), out);
  }

 private:
  Source images_;
  corruption kind_;
  int severity_;
  seed seed_;
  corruption_options options_;
};

}  // namespace advprop::robustness
