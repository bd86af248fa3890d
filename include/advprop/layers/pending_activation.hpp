// How an activation's gradient moves, on an attack's way back, from the layer that applied it to the one behind.
#pragma once

#include <concepts>
#include <utility>

#include <advprop/core/spec.hpp>
#include <advprop/layers/layer.hpp>

namespace advprop::detail {

/// An activation that a gradient has still to go through, and the activation's result.
template <class Device>
struct pending_activation {
  activation which = activation::identity;
  feature_map<Device> result;
};

/// On the way back through a folded norm: the activation that gave a node's result. The layer behind may take it away
/// and send the gradient through it itself. Null where the node has none to give.
template <class Device, class Node>
pending_activation<Device>* pending_of(Node& n) {
  if constexpr (requires {
                  { n.pending() } -> std::same_as<pending_activation<Device>*>;
                })
    return n.pending();
  else
    return nullptr;
}

/// node.backward, for a node whose input is the result of `below`, which may take that away.
template <wrt W, class Node, class Domains, class Device>
feature_map<Device> backward_onto(Node& n, context<Domains, Device>& c, feature_map<Device>&& dy,
                                  pending_activation<Device>* below) {
  if constexpr (requires { n.template backward<W>(c, std::move(dy), below); })
    return n.template backward<W>(c, std::move(dy), below);
  else
    return n.template backward<W>(c, std::move(dy));
}

}  // namespace advprop::detail
