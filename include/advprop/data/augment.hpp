// Random changes to training images, and how they compose.
#pragma once

#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>

namespace advprop {

struct byte_image;

/// One image, height x width x channels, in [0, 1].
using single_image = view<float, 3>;

/// Changes an image in place, at random; the random stream is this image's alone. Loader threads share one object, so
/// the call is const. A std::function<void(single_image, random_stream&)> is one too, for a choice at run time.
template <class A>
concept augmentation = requires(const A& a, single_image image, random_stream& rng) {
  a(image, rng);
};

/// What stands outside an image that is moved.
enum class padding { zero, reflect };

/// Pads all four sides and cuts out the original size at a uniformly random place (He et al. 2015, section 4.2, with 4
/// pixels). `reflect` mirrors without repeating the edge, as numpy and torchvision do. 0 pixels: no change.
struct pad_crop {
  int pixels = 4;
  padding fill = padding::zero;

  void operator()(single_image image, random_stream& rng) const;
};

/// Mirrors left and right with the given probability.
struct horizontal_flip {
  float probability = 0.5f;

  void operator()(single_image image, random_stream& rng) const;
  void operator()(byte_image& image, random_stream& rng) const;

 private:
  bool flips(random_stream& rng) const;
};

/// Overwrites a square whose centre is uniform over the image; what hangs over the edge is cut off (DeVries and Taylor
/// 2017; 16 for CIFAR-10). They fill normalised images with 0, which is the data set's mean: give it here, one number a
/// channel, or one for all; the default is black.
struct cutout {
  int size = 16;
  std::vector<float> fill = {0.0f};

  void operator()(single_image image, random_stream& rng) const;
};

/// Several augmentations, first to last, on one random stream: `pipeline(pad_crop{4}, horizontal_flip{})` of images as
/// loaders have them, `pipeline(random_resized_crop{128}, horizontal_flip{})` of `byte_image`s, as files give them.
template <class... A>
class pipeline {
 public:
  explicit pipeline(A... steps) : steps_(std::move(steps)...) {}
  template <class Image>
    requires(std::invocable<const A&, std::remove_reference_t<Image>&, random_stream&>&&...)
  void operator()(Image&& image, random_stream& rng) const {
    std::apply([&](const A&... step) { (step(image, rng), ...); }, steps_);
  }

 private:
  std::tuple<A...> steps_;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/augment.inl>
#endif
