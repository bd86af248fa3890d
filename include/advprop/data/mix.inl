// The definitions of mix.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <advprop/core/distributions.hpp>
#include <advprop/core/error.hpp>
#include <advprop/data/mix.hpp>

namespace advprop::detail {

inline float mixing_share(const char* who, float alpha, random_stream& rng) {
  if (!(alpha > 0 && std::isfinite(alpha))) fail<argument_error>(who, ": alpha is ", alpha, ", must be above 0");
  return beta(rng, double(alpha), double(alpha));
}

ADVPROP_API std::vector<int> partners(int count, random_stream& rng) {
  std::vector<int> p(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) p[static_cast<std::size_t>(i)] = i;
  for (int i = count; i > 1; --i)
    std::swap(p[static_cast<std::size_t>(i - 1)], p[static_cast<std::size_t>(rng.below(i))]);
  return p;
}

/// Calls f(image i, its partner as it was) for every image: along each cycle of the permutation, so that one image has
/// to be kept aside.
template <class F>
void for_partners(image_batch& batch, const std::vector<int>& partner, F f) {
  const auto size = static_cast<std::size_t>(batch.images.view().stride());
  const auto image = [&](int i) { return batch.images.data() + static_cast<std::size_t>(i) * size; };
  std::vector<bool> done(partner.size());
  std::vector<float> first(size);
  for (int start = 0; start < batch.size(); ++start) {
    if (done[static_cast<std::size_t>(start)]) continue;
    std::copy_n(image(start), size, first.begin());
    for (int i = start;;) {
      done[static_cast<std::size_t>(i)] = true;
      const int next = partner[static_cast<std::size_t>(i)];
      f(image(i), next == start ? static_cast<const float*>(first.data()) : image(next));
      if (next == start) break;
      i = next;
    }
  }
}

/// Image i has `share` of its own label and the rest of its partner's; its hard label is the larger one.
inline void mix_labels(image_batch& batch, int classes, const std::vector<int>& partner, float share) {
  const tensor<int, 1> own = batch.labels;
  batch.soft.resize({batch.size(), classes});
  std::fill(batch.soft.begin(), batch.soft.end(), 0.f);
  for (int i = 0; i < batch.size(); ++i) {
    const int other = own(partner[static_cast<std::size_t>(i)]);
    if (other == own(i)) {
      batch.soft(i, own(i)) = 1;
      continue;
    }
    batch.soft(i, own(i)) = share;
    batch.soft(i, other) = 1 - share;
    if (share < 0.5f) batch.labels(i) = other;
  }
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API void mixup::operator()(image_batch& batch, int classes, random_stream& rng) const {
  const float share = detail::mixing_share("mixup", alpha, rng);
  const auto partner = detail::partners(batch.size(), rng);
  const std::ptrdiff_t size = batch.images.view().stride();
  detail::for_partners(batch, partner, [&](float* own, const float* other) {
    for (std::ptrdiff_t i = 0; i < size; ++i) own[i] = share * own[i] + (1 - share) * other[i];
  });
  detail::mix_labels(batch, classes, partner, share);
}

ADVPROP_API void cutmix::operator()(image_batch& batch, int classes, random_stream& rng) const {
  const float share = detail::mixing_share("cutmix", alpha, rng);
  const auto partner = detail::partners(batch.size(), rng);
  const int height = batch.images.extent(1), width = batch.images.extent(2), channels = batch.images.extent(3);
  const double side = std::sqrt(1 - double(share));
  const int half_height = static_cast<int>(height * side) / 2, half_width = static_cast<int>(width * side) / 2;
  const int y = rng.below(height), x = rng.below(width);
  const int top = std::max(y - half_height, 0), bottom = std::min(y + half_height, height);
  const int left = std::max(x - half_width, 0), right = std::min(x + half_width, width);
  detail::for_partners(batch, partner, [&](float* own, const float* other) {
    for (int row = top; row < bottom; ++row) {
      const std::ptrdiff_t at = (std::ptrdiff_t{row} * width + left) * channels;
      std::copy_n(other + at, std::ptrdiff_t{right - left} * channels, own + at);
    }
  });
  const double cut = double(bottom - top) * (right - left) / (double(height) * width);
  detail::mix_labels(batch, classes, partner, static_cast<float>(1 - cut));
}

ADVPROP_API void mix::operator()(image_batch& batch, int classes, random_stream& rng) const {
  if (!(mixup_probability >= 0 && cutmix_probability >= 0 && mixup_probability + cutmix_probability <= 1))
    fail<argument_error>("mix: probabilities ", mixup_probability, " and ", cutmix_probability,
                         " must not be negative and add up to at most 1");
  const float u = rng.uniform();
  if (u < mixup_probability)
    mixup(batch, classes, rng);
  else if (u < mixup_probability + cutmix_probability)
    cutmix(batch, classes, rng);
}

}  // namespace advprop
