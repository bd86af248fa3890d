// Gates: what squeeze-and-excite multiplies a feature map with.
#pragma once

#include <string>
#include <utility>

#include <advprop/layers/pooling.hpp>
#include <advprop/layers/residual.hpp>

namespace advprop {

/// y = x * Gate(x), the gate being one number per channel (squeeze-and-excite, Hu et al. 2018). Adds no level to names.
template <class Gate>
struct gated {
  using gate = Gate;
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int in) { return Gate::parameters(in); }
};

template <class L>
concept gated_layer = requires {
  typename L::gate;
};

namespace detail {

/// A gate that begins with the mean of each channel is cut behind it: then the gradient that comes back through the
/// mean is one number per channel, too. `identity` stands in its place, as the others' names count positions.
template <class Gate>
struct behind_mean {
  using type = Gate;
  static constexpr bool cut = false;
};
template <class... Ls>
struct behind_mean<sequential<global_average_pool, Ls...>> {
  using type = sequential<identity, Ls...>;
  static constexpr bool cut = true;
};
template <class Block>
using gate_behind_mean = behind_mean<typename structure_of<typename Block::gate>::type>;
template <class Block>
struct gate_of : gate_behind_mean<Block>::type {};

}  // namespace detail

template <gated_layer L, int In, class Domains, class Device>
class node<L, In, Domains, Device> {
  static constexpr bool means = detail::gate_behind_mean<L>::cut;
  static_assert(L::gate::output(shape{In, 64, 64}) == shape{In, 1, 1},
                "gated: the gate must give one number per channel");

 public:
  void setup(registry& r, const std::string& name) { gate_.setup(r, name); }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
    feature_map<Device> in = x;
    if constexpr (means) {
      in = feature_map<Device>(c.device, x.batch(), {In, 1, 1});
      global_average_pool_forward(c.device, x, in);
    }
    feature_map<Device> g = gate_.forward(c, std::move(in));
    const bool backward = c.keep != wrt::nothing;
    feature_map<Device> y = writable(c.device, x, !backward && x.unique());
    scale_forward(c.device, x, g, y);
    x_ = saved_if(backward, x);
    g_ = saved_if(backward, g);
    return y;
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
    feature_map<Device> dg(c.device, g_.batch(), g_.image());
    scale_backward_gate(c.device, x_, dy, dg);
    x_ = {};
    feature_map<Device> through = gate_.template backward<W>(c, std::move(dg));
    feature_map<Device> dx;
    if constexpr (has(W, wrt::input)) {
      dx = writable(c.device, dy, dy.unique());
      if constexpr (means) {
        scale_backward(c.device, g_, dy, through, dx);
      } else {
        scale_backward(c.device, g_, dy, {}, dx);
        add(c.device, through, dx);
      }
    }
    g_ = {};
    return dx;
  }

 private:
  node<detail::gate_of<L>, In, Domains, Device> gate_;
  feature_map<Device> x_, g_;
};

}  // namespace advprop
