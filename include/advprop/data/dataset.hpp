// Labelled images: the concept that loaders read from, 8-bit images in memory, and arrays of the user's.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <advprop/core/channel_statistics.hpp>
#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/core/target_view.hpp>
#include <advprop/core/tensor.hpp>

namespace advprop {

/// Which part of a published data set.
enum class split { train, test };

/// Labelled images of one shape. `read(i, out)` writes image i as height x width x channels floats in [0, 1]; several
/// threads call it at once. Labels lie in 0 .. classes-1; `classes` is an int, or what becomes one without narrowing.
template <class S>
concept source = requires(const S& s, int i, float* out) {
  int{s.classes};
  { s.size() } -> std::same_as<int>;
  { s.image() } -> std::convertible_to<shape>;
  { s.label(i) } -> std::convertible_to<int>;
  s.read(i, out);
};

/// A source that may read an image in many ways, such as another part of it each time: a loader gives it the image's
/// own random stream, of which augmentations then use the rest. The number of threads so changes no bit.
template <class S>
concept random_source = source<S> && requires(const S& s, int i, float* out, random_stream& rng) {
  s.read(i, out, rng);
};

/// Throws `argument_error` naming the first label outside 0 .. classes-1, with its index; `name` names the data.
template <source S>
void check_labels(const S& s, const std::string& name) {
  if (s.classes < 1) fail<argument_error>(name, ": ", int{s.classes}, " classes; must be 1 or more");
  for (int i = 0; i < s.size(); ++i)
    if (const int label = s.label(i); label < 0 || label >= s.classes)
      fail<argument_error>(name, ": label ", label, " of image ", i, " is outside 0..", s.classes - 1);
}

namespace detail {
inline void to_unit(const std::uint8_t* from, std::ptrdiff_t count, float* out) {
  for (std::ptrdiff_t i = 0; i < count; ++i)
    out[i] = static_cast<float>(from[i]) / 255.0f;  // as torchvision's ToTensor
}
inline void to_unit(const float* from, std::ptrdiff_t count, float* out) { std::copy_n(from, count, out); }

template <class T>
shape image_shape(const view<T, 4>& images) {
  return {images.extent(3), images.extent(1), images.extent(2)};
}
}  // namespace detail

/// Labelled 8-bit images that own their memory. A plain struct: fill it and call `check`, or let a constructor do both.
struct dataset {
  std::string name;
  int classes = 0;
  std::vector<std::string> class_names;  ///< empty, or one per class
  shape image_shape;
  std::vector<std::uint8_t> pixels;  ///< images one after the other, each height x width x channels (NHWC)
  std::vector<int> labels;

  dataset() = default;
  /// Copies NHWC bytes and their labels.
  dataset(view<const std::uint8_t, 4> images, const_label_view image_labels, int class_count,
          std::string title = "data set");

  int size() const { return static_cast<int>(labels.size()); }
  shape image() const { return image_shape; }
  int label(int i) const { return labels[static_cast<std::size_t>(i)]; }
  /// Throws `argument_error` where the pixels do not hold that image.
  const std::uint8_t* bytes(int i) const {
    const auto size = static_cast<std::size_t>(image_shape.size());
    if (i < 0 || (static_cast<std::size_t>(i) + 1) * size > pixels.size())
      fail<argument_error>(name, ": there is no image ", i, " in ", pixels.size(), " pixel values");
    return pixels.data() + static_cast<std::size_t>(i) * size;
  }
  void read(int i, float* out) const { detail::to_unit(bytes(i), image_shape.size(), out); }

  /// Throws `argument_error` unless every image has its pixels and a label in range, and all classes or none a name.
  void check() const;
  /// A copy of images [first, first + count). Throws `argument_error`, as those below, for images that are not there,
  /// and for none.
  [[nodiscard]] dataset subset(int first, int count) const;
  /// A copy of these images, in this order.
  [[nodiscard]] dataset subset(const std::vector<int>& images) const;
  /// A copy of the first `count` images.
  [[nodiscard]] dataset take(int count) const { return subset(0, count); }

 private:
  /// All but the images.
  dataset like() const {
    dataset part;
    part.name = name;
    part.classes = classes;
    part.class_names = class_names;
    part.image_shape = image_shape;
    return part;
  }
};

/// A source over the user's own arrays (NHWC, `float` in [0, 1] or bytes), without a copy: they must outlive it.
template <class T>
  requires(std::same_as<T, float> || std::same_as<T, std::uint8_t>)
struct array_source {
  view<const T, 4> images;
  const_label_view labels;
  int classes = 0;

  /// Throws `argument_error` when counts differ, a label is out of range, or a float is outside [0, 1] or no number.
  array_source(view<const T, 4> pixels, const_label_view image_labels, int class_count)
      : images(pixels), labels(image_labels), classes(class_count) {
    if (images.extent(0) != labels.extent(0))
      fail<argument_error>("array_source: ", images.extent(0), " images but ", labels.extent(0), " labels");
    if (images.size() == 0) fail<argument_error>("array_source: no images");
    check_labels(*this, "array_source");
    if constexpr (std::same_as<T, float>) {
      const float* bad = std::find_if(images.begin(), images.end(), [](float v) { return !(v >= 0 && v <= 1); });
      if (bad != images.end())
        fail<argument_error>("array_source: value ", *bad, " in image ", (bad - images.begin()) / images.stride(),
                             " is outside [0, 1]");
    }
  }

  int size() const { return labels.extent(0); }
  shape image() const { return detail::image_shape(images); }
  int label(int i) const { return labels(i); }
  void read(int i, float* out) const { detail::to_unit(images.data() + i * images.stride(), images.stride(), out); }
};

template <class T>
array_source(view<T, 4>, const_label_view, int) -> array_source<std::remove_const_t<T>>;

/// Images and labels that go through the network together.
struct image_batch {
  tensor<float, 4> images;  ///< batch x height x width x channels, in [0, 1] before normalisation
  tensor<int, 1> labels;
  std::int64_t epoch = 0;   ///< of the loader that made it
  int index = 0;            ///< of the batch in its epoch
  tensor<float, 2> soft{};  ///< batch x classes, each row adding up to 1; empty: hard labels

  int size() const { return labels.extent(0); }
  target_view targets() const { return {labels.view(), soft.size() == 0 ? view<const float, 2>() : soft.view()}; }
};

/// Images [first, first + count) in order, as they are: for evaluation and pictures. Throws `argument_error` where they
/// are not there, and what the source throws.
template <source S>
image_batch read_batch(const S& s, int first, int count) {
  if (first < 0 || count < 1 || first > s.size() - count)
    fail<argument_error>("read_batch: ", count, " images from ", first, " on do not lie in ", int{s.size()});
  const shape image = s.image();
  image_batch b{tensor<float, 4>({count, image.height, image.width, image.channels}), tensor<int, 1>({count})};
  for (int i = 0; i < count; ++i) {
    s.read(first + i, b.images.data() + i * image.size());
    b.labels(i) = s.label(first + i);
  }
  return b;
}

/// Of all images; the deviation is the population's. What an input stage normalises by. Throws `argument_error` where
/// there are none.
template <source S>
channel_statistics measure_statistics(const S& s) {
  if (s.size() < 1) fail<argument_error>("measure_statistics: there are no images");
  const shape image = s.image();
  const auto channels = static_cast<std::size_t>(image.channels);
  std::vector<float> pixels(static_cast<std::size_t>(image.size()));
  std::vector<double> sum(channels), squares(channels);
  for (int i = 0; i < s.size(); ++i) {
    s.read(i, pixels.data());
    for (std::size_t p = 0; p < pixels.size(); ++p) {
      const double v{pixels[p]};
      sum[p % channels] += v;
      squares[p % channels] += v * v;
    }
  }
  channel_statistics result;
  const double count = static_cast<double>(s.size()) * image.height * image.width;
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = sum[c] / count;
    result.mean.push_back(static_cast<float>(mean));
    result.deviation.push_back(static_cast<float>(std::sqrt(std::max(0.0, squares[c] / count - mean * mean))));
  }
  return result;
}

static_assert(source<dataset> && source<array_source<float>>);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/dataset.inl>
#endif
