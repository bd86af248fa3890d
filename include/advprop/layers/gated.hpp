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

/// What a gated layer keeps and does beside its gate, whatever its width: compiled once.
template <class Domains, class Device>
class gated_state {
 public:
  /// The mean of each channel.
  [[gnu::noinline]] feature_map<Device> mean(context<Domains, Device>& c, const feature_map<Device>& x) {
    feature_map<Device> m(c.device, x.batch(), {x.image().channels, 1, 1});
    global_average_pool_forward(c.device, x, m);
    return m;
  }
  /// x times the gate.
  [[gnu::noinline]] feature_map<Device> forward(context<Domains, Device>& c, const feature_map<Device>& x,
                                                const feature_map<Device>& gate) {
    const bool backward = c.keep != wrt::nothing;
    feature_map<Device> y = writable(c.device, x, !backward && x.unique());
    scale_forward(c.device, x, gate, y);
    x_ = saved_if(backward, x);
    gate_ = saved_if(backward, gate);
    return y;
  }
  /// The gate's gradient.
  [[gnu::noinline]] feature_map<Device> backward_gate(context<Domains, Device>& c, const feature_map<Device>& dy) {
    feature_map<Device> dgate(c.device, gate_.batch(), gate_.image());
    scale_backward_gate(c.device, x_, dy, dgate);
    x_ = {};
    return dgate;
  }
  /// The gradient of x; `through` is the share that came through the gate, of x or of its mean.
  [[gnu::noinline]] feature_map<Device> backward(context<Domains, Device>& c, const feature_map<Device>& dy,
                                                 const feature_map<Device>& through, bool of_mean) {
    feature_map<Device> dx = writable(c.device, dy, dy.unique());
    scale_backward(c.device, gate_, dy, of_mean ? through.view() : feature_view<typename Device::element>(), dx);
    if (!of_mean) add(c.device, through, dx);
    return dx;
  }
  void forget() { gate_ = {}; }

 private:
  feature_map<Device> x_, gate_;
};

}  // namespace detail

template <gated_layer L, int In, class Domains, class Device>
class node<L, In, Domains, Device> {
  static constexpr bool means = detail::gate_behind_mean<L>::cut;
  static_assert(L::gate::output(shape{In, 64, 64}) == shape{In, 1, 1},
                "gated: the gate must give one number per channel");

 public:
  void setup(registry& r, const std::string& name) {
    begin_ = r.places();
    gate_.setup(r, name);
  }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) {
    feature_map<Device> in = means ? state_.mean(c, x) : x;
    return state_.forward(c, x, gate_.forward(c, std::move(in)));
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy) {
    feature_map<Device> dx, through = gate_.template backward<W>(c, state_.backward_gate(c, dy));
    if (has(W, wrt::input) && c.reaches(begin_)) dx = state_.backward(c, dy, through, means);
    state_.forget();
    return dx;
  }

 private:
  int begin_ = 0;  // the place of its first tensor
  node<detail::gate_of<L>, In, Domains, Device> gate_;
  detail::gated_state<Domains, Device> state_;
};

}  // namespace advprop
