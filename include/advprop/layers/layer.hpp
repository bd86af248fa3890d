// What a layer is: a descriptor (an empty type) and, for each place it stands in, a node with its state.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <utility>

#include <advprop/core/shape.hpp>
#include <advprop/domains/pass.hpp>
#include <advprop/layers/feature_map.hpp>
#include <advprop/layers/noise.hpp>
#include <advprop/layers/parameters.hpp>

namespace advprop {

/// With respect to what a backward pass differentiates. An attack wants `input` and never touches weight gradients.
enum class wrt { nothing = 0, parameters = 1, input = 2, both = 3 };
constexpr bool has(wrt set, wrt member) { return (static_cast<int>(set) & static_cast<int>(member)) != 0; }

/// What every layer is handed on its way through the network.
template <class Domains, class Device>
struct context {
  Device& device;
  const parameter_store<Domains, Device>& store;
  routing parts;      ///< the batch, cut as the caller did
  routing groups;     ///< the batch, cut where the domain changes
  statistics source;  ///< which mean and variance normalise
  bool update;        ///< do running statistics learn
  wrt keep;           ///< the backward pass that will follow decides what forward must save
  bool drop;          ///< are dropout and stochastic depth on
  layer_noise noise;  ///< their masks
  depth_rule depth;
  int bottom = -1;  ///< the place of the lowest tensor that the way back has to come to; -1: back to the images

  /// Whether there is a way back to what lies before `place`, as `registry::places` counted when a layer was set up.
  /// Where there is none, nobody looks at the gradient of the layer's input: what it returns may be any map, or none,
  /// and what layers that it is made of have returned must not be read.
  bool reaches(int place) const { return bottom < place; }
  /// Has a layer that ends before place `end` save nothing if there is no way back to it; returns what `keep` is to be
  /// again behind it.
  wrt keep_until(int end) { return std::exchange(keep, reaches(end) ? keep : wrt::nothing); }
};

/// Calls f(first image, count, random stream) for each part of the batch; the stream is this layer's, for this part.
template <class Domains, class Device, class F>
void for_noise_parts(const context<Domains, Device>& c, std::uint64_t tag, F&& f) {
  int first = 0, i = 0;
  for (const part& p : c.parts) {
    f(first, p.count, c.noise.of(i++).split(tag));
    first += p.count;
  }
}

/// A descriptor: the output shape for an input shape, the learnable numbers for an input width, and a `state` that
/// can be set up, run forward, and run backward with respect to the input alone or to everything. What combinators are
/// made of is told by their members, so a layer of your own has none called `structure`, `layer`, `name`, `body`,
/// `gate` or `folds`.
template <class L>
concept layer = requires(shape s) {
  { L::output(s) } -> std::same_as<shape>;
  { L::parameters(s.channels) } -> std::convertible_to<long>;
};

/// The parts of the contract that only a node can show.
template <class N, class Domains, class Device>
concept layer_node = requires(N n, registry& r, context<Domains, Device>& c, feature_map<Device> x) {
  n.setup(r, std::string());
  { n.forward(c, std::move(x)) } -> std::same_as<feature_map<Device>>;
  { n.template backward<wrt::input>(c, std::move(x)) } -> std::same_as<feature_map<Device>>;
  { n.template backward<wrt::both>(c, std::move(x)) } -> std::same_as<feature_map<Device>>;
};

/// The state of layer `Layer` where its input has `In` channels. Combinators specialise it, so that a named network
/// shows up in symbols and errors under its own short name; every other layer provides a member template `state`.
/// Callers give maps away and get one back. A state may take them by value or, as this library's do, by rvalue
/// reference: a network has hundreds of calls, and what is passed by value is built and destroyed at each.
template <class Layer, int In, class Domains, class Device>
class node : public Layer::template state<In, Domains, Device> {
  static_assert(layer_node<typename Layer::template state<In, Domains, Device>, Domains, Device>,
                "layer: its state lacks setup, forward, backward<wrt::input> or backward<wrt::both>");
};

/// Saves `x` only when a backward pass will ask for it.
template <class Device>
feature_map<Device> saved_if(bool wanted, const feature_map<Device>& x) {
  return wanted ? x : feature_map<Device>();
}

/// A feature map to write into: `x` itself when nobody else holds it, otherwise a new one of its shape.
template <class Device>
feature_map<Device> writable(Device& device, const feature_map<Device>& x, bool only_here) {
  return only_here ? x : feature_map<Device>(device, x.batch(), x.image());
}

namespace detail {
/// An operation reads as many channels as its layer was made for. Throws `argument_error` where there are others.
template <class Device>
void check_channels(const char* layer, const feature_map<Device>& x, int wanted) {
  if (x.image().channels != wanted)
    fail<argument_error>(layer, ": its input has ", x.image().channels, " channels, ", wanted,
                         " are wanted; a layer before it gives another shape than its output() says");
}

/// to += added; into new memory where somebody else holds that of `to`, as another branch's gradient may be.
template <class Device>
void add_onto(Device& device, const feature_map<Device>& added, feature_map<Device>& to) {
  if (!to.unique()) {
    feature_map<Device> own(device, to.batch(), to.image());
    memory_copy(device, to, own);
    to = std::move(own);
  }
  add(device, added, to);
}
}  // namespace detail

/// A name of at most 31 characters, as a template argument.
struct label {
  char text[32] = {};
  constexpr label(const char* s) {  // NOLINT: named<"conv1", ...>
    for (int i = 0; s[i]; ++i) {
      if (i == 31) fail<argument_error>("label: a name has more than 31 characters");
      text[i] = s[i];
    }
  }
  /// As nvcc writes a template argument down for the host's compiler: label{{'b', 'n', '1', 0, ...}}.
  constexpr label(std::initializer_list<char> letters) {
    for (int i = 0; const char letter : letters) text[i++] = letter;
  }
  friend constexpr bool operator==(const label&, const label&) = default;
};

}  // namespace advprop
