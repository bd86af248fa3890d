// ReLU, ReLU6, SiLU and sigmoid as layers of their own, where no batch norm precedes them.
#pragma once

#include <advprop/core/spec.hpp>
#include <advprop/layers/layer.hpp>

namespace advprop {

namespace detail {

/// What a function of every number keeps and does, whatever its width: compiled once, as the other layers' states are.
/// `F::from_output` tells whether its slope follows from its result.
template <class F, class Domains, class Device>
class elementwise_state {
 public:
  void setup(registry&, const std::string&) {}
  [[gnu::noinline]] feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) {
    const bool backward = c.keep != wrt::nothing;
    // ReLU can look at its output, so it may overwrite its input; SiLU needs the input again.
    feature_map<Device> y = writable(c.device, x, x.unique() && (F::from_output || !backward));
    F::forward(c.device, x, y);
    saved_ = saved_if(backward, F::from_output ? y : x);
    return y;
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy) {
    return backward(c, dy);
  }

 private:
  [[gnu::noinline]] feature_map<Device> backward(context<Domains, Device>& c, const feature_map<Device>& dy) {
    feature_map<Device> dx = writable(c.device, dy, dy.unique());
    F::backward(c.device, saved_, dy, dx);
    saved_ = {};
    return dx;
  }

  feature_map<Device> saved_;
};

template <activation A>
struct activation_function {
  static constexpr bool from_output = slope_from_output(A);
  template <class Device>
  static void forward(Device& d, const feature_map<Device>& x, const feature_map<Device>& y) {
    activation_forward(d, A, x, y);
  }
  template <class Device>
  static void backward(Device& d, const feature_map<Device>& saved, const feature_map<Device>& dy,
                       const feature_map<Device>& dx) {
    activation_backward(d, A, saved, dy, dx);
  }
};

struct sigmoid_function {
  static constexpr bool from_output = true;
  template <class Device>
  static void forward(Device& d, const feature_map<Device>& x, const feature_map<Device>& y) {
    sigmoid_forward(d, x, y);
  }
  template <class Device>
  static void backward(Device& d, const feature_map<Device>& y, const feature_map<Device>& dy,
                       const feature_map<Device>& dx) {
    sigmoid_backward(d, y, dy, dx);
  }
};

}  // namespace detail

/// An elementwise activation. After a `batch_norm` or a `residual`, `sequential` fuses it into their sweep.
template <activation A>
struct activate {
  static constexpr activation which = A;
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  using state = detail::elementwise_state<detail::activation_function<A>, Domains, Device>;
};

/// Its input, unchanged.
struct identity {
  static constexpr activation which = activation::identity;
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  struct state {
    void setup(registry&, const std::string&) {}
    feature_map<Device> forward(context<Domains, Device>&, feature_map<Device> x) { return x; }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>&, feature_map<Device> dy) {
      return dy;
    }
  };
};

struct relu : activate<activation::relu> {};
/// min(max(x, 0), 6) (Krizhevsky 2010; EfficientNet-Lite).
struct relu6 : activate<activation::relu6> {};
/// x * sigmoid(x) (Elfwing et al. 2017; also called swish).
struct silu : activate<activation::silu> {};

/// 1 / (1 + exp(-x)), the last layer of a squeeze-and-excite gate.
struct sigmoid {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  using state = detail::elementwise_state<detail::sigmoid_function, Domains, Device>;
};

}  // namespace advprop
