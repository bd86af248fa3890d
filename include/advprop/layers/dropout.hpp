// Dropout: on in training passes, off in attacks and evaluation unless the pass says otherwise.
#pragma once

#include <advprop/layers/layer.hpp>

namespace advprop {

/// Zeroes a fraction `Rate::value` of the numbers and scales the rest up (Srivastava et al. 2014). The mask comes from
/// the logical position of a number, so it is the same on every device and for matched clean and adversarial passes.
template <class Rate>
struct dropout {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  class state {
   public:
    void setup(registry&, const std::string& name) {
      stream_ = 14695981039346656037ull;  // FNV-1a of the layer's name: every dropout layer has its own stream
      for (char ch : name) stream_ = (stream_ ^ static_cast<unsigned char>(ch)) * 1099511628211ull;
    }
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
      if (!c.drop) return x;
      feature_map<Device> y = writable(c.device, x, x.unique());
      dropout_forward(c.device, Rate::value, c.noise.split(stream_), x, y);
      return y;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
      if (!c.drop) return dy;
      feature_map<Device> dx = writable(c.device, dy, dy.unique());
      dropout_backward(c.device, Rate::value, c.noise.split(stream_), dy, dx);
      return dx;
    }

   private:
    std::uint64_t stream_ = 0;
  };
};

}  // namespace advprop
