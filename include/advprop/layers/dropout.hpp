// Dropout: on in passes that say `drop`, as training does.
#pragma once

#include <advprop/layers/layer.hpp>

namespace advprop {

/// Zeroes a fraction `Rate::value` of the numbers and scales the rest up (Srivastava et al. 2014). The mask comes from
/// the part's noise, the layer's name and a number's logical position in its part, so it is the same on every device
/// and however the parts of a step are put together.
template <class Rate>
struct dropout {
  static_assert(Rate::value >= 0 && Rate::value < 1, "dropout: its rate must be in [0, 1)");

  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  class state {
   public:
    void setup(registry&, const std::string& name) { tag_ = noise_tag(name); }
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
      if (!c.drop) return x;
      feature_map<Device> y = writable(c.device, x, x.unique());
      for_noise_parts(c, tag_, [&](int first, int count, const random_stream& r) {
        dropout_forward(c.device, Rate::value, r, x.slice(first, count), y.slice(first, count));
      });
      return y;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
      if (!c.drop) return dy;
      feature_map<Device> dx = writable(c.device, dy, dy.unique());
      for_noise_parts(c, tag_, [&](int first, int count, const random_stream& r) {
        dropout_backward(c.device, Rate::value, r, dy.slice(first, count), dx.slice(first, count));
      });
      return dx;
    }

   private:
    std::uint64_t tag_ = 0;
  };
};

}  // namespace advprop
