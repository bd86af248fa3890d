// Mixtures of the images of a batch, with soft labels: mixup and CutMix.
#pragma once

#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/data/dataset.hpp>

namespace advprop {

/// Changes a whole batch in place, at random; the random stream is this batch's alone. Loader threads share one object.
template <class M>
concept batch_augmentation = requires(const M& m, image_batch& batch, int classes, random_stream& rng) {
  m(batch, classes, rng);
};

/// Zhang et al. 2018: image i becomes share * image i + (1 - share) * its partner, the share being Beta(alpha, alpha),
/// one per batch, the partner that of a random permutation. The soft label is mixed alike.
struct mixup {
  float alpha = 0.2f;
  void operator()(image_batch& batch, int classes, random_stream& rng) const;
};

/// Yun et al. 2019: the same rectangle of every image is replaced by its partner's. Its sides are sqrt(1 - share) of
/// the image's, its centre is anywhere, what hangs over the edge is cut off, and the share is then that of the pixels
/// kept.
struct cutmix {
  float alpha = 1;
  void operator()(image_batch& batch, int classes, random_stream& rng) const;
};

/// One of the two, or neither, a batch: what the probabilities leave goes unmixed.
struct mix {
  float mixup_probability = 0.5f, cutmix_probability = 0.5f;
  advprop::mixup mixup{};
  advprop::cutmix cutmix{};
  void operator()(image_batch& batch, int classes, random_stream& rng) const;
};

namespace detail {

/// A uniformly random permutation: entry i is image i's partner.
ADVPROP_API std::vector<int> partners(int count, random_stream& rng);

}  // namespace detail

static_assert(batch_augmentation<mixup> && batch_augmentation<cutmix> && batch_augmentation<mix>);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/mix.inl>
#endif
