// ReLU, ReLU6, SiLU and sigmoid as layers of their own, where no batch norm precedes them.
#pragma once

#include <advprop/core/spec.hpp>
#include <advprop/layers/layer.hpp>

namespace advprop {

namespace detail {

/// What an activation keeps and does, whatever its width: compiled once, as the other layers' states are.
template <activation A, class Domains, class Device>
class activation_state {
 public:
  void setup(registry&, const std::string&) {}
  [[gnu::noinline]] feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) {
    const bool backward = c.keep != wrt::nothing;
    // ReLU can look at its output, so it may overwrite its input; SiLU needs the input again.
    feature_map<Device> y = writable(c.device, x, x.unique() && (slope_from_output(A) || !backward));
    activation_forward(c.device, A, x, y);
    saved_ = saved_if(backward, slope_from_output(A) ? y : x);
    return y;
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy) {
    return backward(c, dy);
  }

 private:
  [[gnu::noinline]] feature_map<Device> backward(context<Domains, Device>& c, const feature_map<Device>& dy) {
    feature_map<Device> dx = writable(c.device, dy, dy.unique());
    activation_backward(c.device, A, saved_, dy, dx);
    saved_ = {};
    return dx;
  }

  feature_map<Device> saved_;
};

template <class Domains, class Device>
class sigmoid_state {
 public:
  void setup(registry&, const std::string&) {}
  [[gnu::noinline]] feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) {
    feature_map<Device> y = writable(c.device, x, x.unique());
    sigmoid_forward(c.device, x, y);
    y_ = saved_if(c.keep != wrt::nothing, y);
    return y;
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy) {
    return backward(c, dy);
  }

 private:
  [[gnu::noinline]] feature_map<Device> backward(context<Domains, Device>& c, const feature_map<Device>& dy) {
    feature_map<Device> dx = writable(c.device, dy, dy.unique());
    sigmoid_backward(c.device, y_, dy, dx);
    y_ = {};
    return dx;
  }

  feature_map<Device> y_;
};

}  // namespace detail

/// An elementwise activation. After a `batch_norm` or a `residual`, `sequential` fuses it into their sweep.
template <activation A>
struct activate {
  static constexpr activation which = A;
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  using state = detail::activation_state<A, Domains, Device>;
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
  using state = detail::sigmoid_state<Domains, Device>;
};

}  // namespace advprop
