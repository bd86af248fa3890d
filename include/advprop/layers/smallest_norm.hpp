// How few values per channel one image gives a batch norm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include <advprop/layers/batch_norm.hpp>
#include <advprop/layers/gated.hpp>
#include <advprop/layers/residual.hpp>
#include <advprop/layers/sequential.hpp>

namespace advprop {

template <class L>
constexpr std::ptrdiff_t smallest_norm(shape s);

namespace detail {
// Always inline: its symbol would spell the whole pack.
template <class... Ls>
[[gnu::always_inline]] constexpr std::ptrdiff_t smallest_norm_of(sequential<Ls...>*, shape s) {
  std::ptrdiff_t least = std::numeric_limits<std::ptrdiff_t>::max();
  ((least = std::min(least, smallest_norm<Ls>(s)), s = Ls::output(s)), ...);
  return least;
}
}  // namespace detail

/// Pixels of the smallest feature map that a batch norm in layer `L` is given of one image of shape `s`; the largest
/// number where `L` has none.
template <class L>
constexpr std::ptrdiff_t smallest_norm(shape s) {
  if constexpr (sequential_layer<L>) {
    return detail::smallest_norm_of(static_cast<typename L::structure*>(nullptr), s);
  } else if constexpr (repeat_layer<L> || named_layer<L>) {  // the copies of a `repeat` all have one shape
    return smallest_norm<typename L::layer>(s);
  } else if constexpr (residual_layer<L>) {
    return std::min(smallest_norm<typename L::body>(s), smallest_norm<typename L::shortcut>(s));
  } else if constexpr (gated_layer<L>) {
    return smallest_norm<typename L::gate>(s);
  } else if constexpr (norm_layer<L>) {
    return std::ptrdiff_t{s.height} * s.width;
  } else {
    return std::numeric_limits<std::ptrdiff_t>::max();
  }
}

}  // namespace advprop
