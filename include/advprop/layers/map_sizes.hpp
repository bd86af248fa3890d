// How large the feature maps inside a network are, of one image.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <type_traits>

#include <advprop/layers/batch_norm.hpp>
#include <advprop/layers/gated.hpp>
#include <advprop/layers/residual.hpp>
#include <advprop/layers/sequential.hpp>

namespace advprop {

namespace detail {

template <class L, class F>
constexpr void each_layer(shape s, F& f);

// Always inline: its symbol would spell the whole pack.
template <class... Ls, class F>
[[gnu::always_inline]] constexpr void each_layer_of(sequential<Ls...>*, shape s, F& f) {
  ((each_layer<Ls>(s, f), s = Ls::output(s)), ...);
}

/// f(std::type_identity<layer>, shape of what it is given) for each layer in `L` that has no others inside.
template <class L, class F>
constexpr void each_layer(shape s, F& f) {
  if constexpr (sequential_layer<L>) {
    each_layer_of(static_cast<typename L::structure*>(nullptr), s, f);
  } else if constexpr (named_layer<L>) {
    each_layer<typename L::layer>(s, f);
  } else if constexpr (repeat_layer<L>) {
    for (int i = 0; i < L::count; ++i, s = L::layer::output(s)) each_layer<typename L::layer>(s, f);
  } else if constexpr (residual_layer<L>) {
    each_layer<typename L::body>(s, f);
    each_layer<typename L::shortcut>(s, f);
  } else if constexpr (gated_layer<L>) {
    each_layer<typename L::gate>(s, f);
  } else {
    f(std::type_identity<L>(), s);
  }
}

// No lambdas: inside a function of the network, their names would spell it in each symbol.
struct largest_output {
  std::ptrdiff_t most = 0;
  template <class L>
  constexpr void operator()(std::type_identity<L>, shape in) {
    const shape out = L::output(in);
    most = std::max(most, std::ptrdiff_t{out.channels} * out.height * out.width);
  }
};
struct smallest_norm_input {
  std::ptrdiff_t least = std::numeric_limits<std::ptrdiff_t>::max();
  template <class L>
  constexpr void operator()(std::type_identity<L>, shape in) {
    if constexpr (norm_layer<L>) least = std::min(least, std::ptrdiff_t{in.height} * in.width);
  }
};

}  // namespace detail

/// Numbers in the largest feature map that layer `L` makes of one image of shape `s`.
template <class L>
constexpr std::ptrdiff_t largest_map(shape s) {
  detail::largest_output of;
  detail::each_layer<L>(s, of);
  return of.most;
}

/// Pixels of the smallest feature map that a batch norm in layer `L` is given of one image of shape `s`: the values per
/// channel that its statistics are of. The largest number where `L` has no batch norm.
template <class L>
constexpr std::ptrdiff_t smallest_norm(shape s) {
  detail::smallest_norm_input of;
  detail::each_layer<L>(s, of);
  return of.least;
}

}  // namespace advprop
