// A whole network: its input stage and its layers.
#pragma once

#include <advprop/core/channel_statistics.hpp>
#include <advprop/layers/activations.hpp>
#include <advprop/layers/batch_norm.hpp>
#include <advprop/layers/convolution.hpp>
#include <advprop/layers/dropout.hpp>
#include <advprop/layers/gated.hpp>
#include <advprop/layers/linear.hpp>
#include <advprop/layers/normalize.hpp>
#include <advprop/layers/pooling.hpp>
#include <advprop/layers/residual.hpp>
#include <advprop/layers/sequential.hpp>
#include <advprop/layers/stochastic_depth.hpp>

namespace advprop {

/// `Input` is a `normalize<Statistics>`; the last layer gives one logit a class as a 1x1 feature map.
template <class Input, class... Ls>
struct architecture : sequential<Ls...> {
  using input = Input;
};

template <class N>
concept network_layers = requires(shape s) {
  { N::input::channels } -> std::convertible_to<int>;
  { N::output(s) } -> std::same_as<shape>;
};

/// Learnable numbers of a network with one batch-norm set, as every framework counts them.
template <network_layers Network>
inline constexpr long parameters = Network::parameters(Network::input::channels);

/// Classes that a network tells apart.
template <network_layers Network>
inline constexpr int class_count = Network::output({Network::input::channels, 256, 256}).channels;

/// What the network's input stage normalises by; empty where that does not say.
template <network_layers Network>
channel_statistics input_statistics() {
  if constexpr (requires { Network::input::statistics(); })
    return Network::input::statistics();
  else
    return {};
}

}  // namespace advprop
