// How much memory one image takes on its way through a network, at its widest.
#pragma once

#include <algorithm>
#include <cstddef>

#include <advprop/layers/residual.hpp>
#include <advprop/layers/sequential.hpp>

namespace advprop {

template <class L>
constexpr std::ptrdiff_t largest_map(shape s);

namespace detail {
// Always inline: its symbol would spell the whole pack.
template <class... Ls>
[[gnu::always_inline]] constexpr std::ptrdiff_t largest_map_of(sequential<Ls...>*, shape s) {
  std::ptrdiff_t most = 0;
  ((most = std::max(most, largest_map<Ls>(s)), s = Ls::output(s)), ...);
  return most;
}
}  // namespace detail

/// Numbers in the largest feature map that layer `L` makes of one image of shape `s`.
template <class L>
constexpr std::ptrdiff_t largest_map(shape s) {
  if constexpr (sequential_layer<L>) {
    return detail::largest_map_of(static_cast<typename L::structure*>(nullptr), s);
  } else if constexpr (repeat_layer<L> || named_layer<L>) {  // the copies of a `repeat` all have one shape
    return largest_map<typename L::layer>(s);
  } else if constexpr (residual_layer<L>) {
    return std::max(largest_map<typename L::body>(s), largest_map<typename L::shortcut>(s));
  } else {
    const shape out = L::output(s);
    return std::ptrdiff_t{out.channels} * out.height * out.width;
  }
}

}  // namespace advprop
