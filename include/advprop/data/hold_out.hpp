// A part of the training images that is not trained on, to choose by: epochs, learning rates, methods.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>

namespace advprop {

/// Labelled images of which some can be taken: `dataset`, `image_folder`.
template <class S>
concept divisible = requires(const S& s, int i, const std::vector<int>& images) {
  { s.classes } -> std::convertible_to<int>;
  { s.size() } -> std::same_as<int>;
  { s.label(i) } -> std::convertible_to<int>;
  { s.subset(images) } -> std::same_as<S>;
};

/// Every image is in one of them, in the order that it had.
template <class S>
struct divided {
  S training, validation;
};

/// Sets `images` aside. Each class gives its share, rounded so that the sum is right, and keeps one image at least;
/// which images they are follows from the seed. Throws `argument_error` where that leaves no way.
///
///   const auto [training, validation] = hold_out(load_cifar10(folder, split::train), 5000);
template <divisible S>
divided<S> hold_out(const S& data, int images, seed s = seed{0}) {
  const int count = data.size();
  std::vector<std::vector<int>> by_class(static_cast<std::size_t>(std::max(0, int{data.classes})));
  for (int i = 0; i < count; ++i) {
    const int label = data.label(i);
    if (label < 0 || label >= static_cast<int>(by_class.size()))
      fail<argument_error>("hold_out: image ", i, " is of class ", label, " of ", by_class.size());
    by_class[static_cast<std::size_t>(label)].push_back(i);
  }
  const auto present = std::count_if(by_class.begin(), by_class.end(), [](const auto& c) { return !c.empty(); });
  if (images < 1 || images > count - static_cast<int>(present))
    fail<argument_error>("hold_out: ", images, " of ", count, " images; must be 1 or more, and leave one of each of ",
                         present, " classes");

  std::vector<int> taken;  // of each class, rounded down
  std::vector<std::pair<std::int64_t, std::size_t>> lost;
  for (std::size_t c = 0; c < by_class.size(); ++c) {
    const std::int64_t share = std::int64_t{images} * static_cast<std::int64_t>(by_class[c].size());
    taken.push_back(static_cast<int>(share / count));
    lost.emplace_back(-(share % count), c);
  }
  std::sort(lost.begin(), lost.end());  // those that lost most by rounding come first
  for (int left = images - std::accumulate(taken.begin(), taken.end(), 0); left > 0;)
    for (const auto& [loss, c] : lost)
      if (left > 0 && taken[c] + 1 < static_cast<int>(by_class[c].size())) ++taken[c], --left;

  std::vector<bool> aside(static_cast<std::size_t>(count));
  for (std::size_t c = 0; c < by_class.size(); ++c) {
    random_stream rng = random_stream(s.value).split(c);
    auto& own = by_class[c];
    for (std::size_t i = 0; i < static_cast<std::size_t>(taken[c]); ++i) {
      std::swap(own[i], own[i + static_cast<std::size_t>(rng.below(static_cast<int>(own.size() - i)))]);
      aside[static_cast<std::size_t>(own[i])] = true;
    }
  }
  std::vector<int> training, validation;
  for (int i = 0; i < count; ++i) (aside[static_cast<std::size_t>(i)] ? validation : training).push_back(i);
  return {data.subset(training), data.subset(validation)};
}

}  // namespace advprop
