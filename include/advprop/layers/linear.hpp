// A fully connected layer on 1x1 feature maps.
#pragma once

#include <cmath>

#include <advprop/layers/layer.hpp>

namespace advprop {

/// How a linear layer begins.
enum class linear_start {
  pytorch,  ///< weights and biases uniform in +-1/sqrt(inputs)
  google    ///< weights uniform in +-1/sqrt(outputs), biases zero: EfficientNet's authors, also in torchvision
};

/// y = W x + b.
template <int Out, linear_start Start = linear_start::pytorch>
struct linear {
  static_assert(Out > 0);
  static constexpr shape output(shape) { return {Out, 1, 1}; }
  static constexpr long parameters(int in) { return long{Out} * in + Out; }

  template <int In, class Domains, class Device>
  class state {
   public:
    void setup(registry& r, const std::string& name) {
      place_ = r.places();
      constexpr bool google = Start == linear_start::google;
      const initial start{initial::uniform, 1 / std::sqrt(static_cast<float>(google ? Out : In))};
      weight_ = r.weight(join(name, "weight"), {Out, In}, start);
      bias_ = r.bias(join(name, "bias"), {Out}, google ? initial{initial::constant, 0} : start);
    }
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
      if (x.image().height != 1 || x.image().width != 1)
        fail<argument_error>("linear: the input is ", x.image().height, "x", x.image().width,
                             ", not 1x1; put global_average_pool before it");
      detail::check_channels("linear", x, In);
      feature_map<Device> y(c.device, x.batch(), {Out, 1, 1});
      linear_forward(c.device, x, c.store.weight(weight_), c.store.bias(bias_), y);
      x_ = saved_if(has(c.keep, wrt::parameters) && learns(c), x);
      return y;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
      if constexpr (has(W, wrt::parameters)) {
        if (learns(c))
          linear_backward_weight(c.device, x_, dy, c.store.weight_gradient(weight_), c.store.bias_gradient(bias_));
        x_ = {};
      }
      feature_map<Device> dx;
      if (has(W, wrt::input) && c.reaches(place_)) {
        dx = feature_map<Device>(c.device, dy.batch(), {In, 1, 1});
        linear_backward_input(c.device, dy, c.store.weight(weight_), dx);
      }
      return dx;
    }

   private:
    bool learns(const context<Domains, Device>& c) const {
      return c.store.weight_learns(weight_) || c.store.bias_learns(bias_);
    }

    std::size_t weight_ = 0, bias_ = 0;
    int place_ = 0;
    feature_map<Device> x_;
  };
};

}  // namespace advprop
