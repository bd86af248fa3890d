// Max, average and global average pooling.
#pragma once

#include <advprop/core/spec.hpp>
#include <advprop/layers/layer.hpp>

namespace advprop {

namespace detail {
template <int Kernel, int Stride, int Padding>
struct pool_shape {
  static_assert(Kernel > 0 && Stride > 0 && Padding >= 0 && 2 * Padding <= Kernel,
                "pooling: padding at most half the kernel");
  static constexpr pool_spec spec{Kernel, Stride, Padding};
  static constexpr shape output(shape s) { return {s.channels, spec.output(s.height), spec.output(s.width)}; }
  static constexpr long parameters(int) { return 0; }
  static shape checked_output(shape s) {
    const shape out = output(s);
    if (out.height < 1 || out.width < 1)
      fail<argument_error>("pooling: a window of ", Kernel, " does not fit an image of ", s.height, "x", s.width);
    return out;
  }
};
}  // namespace detail

/// The largest value of each window; padding never wins.
template <int Kernel, int Stride = Kernel, int Padding = 0>
struct max_pool : detail::pool_shape<Kernel, Stride, Padding> {
  template <int In, class Domains, class Device>
  class state {
   public:
    void setup(registry&, const std::string&) {}
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
      feature_map<Device> y(c.device, x.batch(), max_pool::checked_output(x.image()));
      max_pool_forward(c.device, max_pool::spec, x, y);
      x_ = saved_if(c.keep != wrt::nothing, x);
      return y;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
      feature_map<Device> dx(c.device, x_.batch(), x_.image());
      max_pool_backward(c.device, max_pool::spec, x_, dy, dx);
      x_ = {};
      return dx;
    }

   private:
    feature_map<Device> x_;
  };
};

/// The mean of each window, padding counted as zeros.
template <int Kernel, int Stride = Kernel, int Padding = 0>
struct average_pool : detail::pool_shape<Kernel, Stride, Padding> {
  template <int In, class Domains, class Device>
  class state {
   public:
    void setup(registry&, const std::string&) {}
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
      in_ = x.image();
      feature_map<Device> y(c.device, x.batch(), average_pool::checked_output(in_));
      average_pool_forward(c.device, average_pool::spec, x, y);
      return y;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
      feature_map<Device> dx(c.device, dy.batch(), in_);
      average_pool_backward(c.device, average_pool::spec, dy, dx);
      return dx;
    }

   private:
    shape in_;
  };
};

/// The mean of each channel: an image of 1x1.
struct global_average_pool {
  static constexpr shape output(shape s) { return {s.channels, 1, 1}; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  class state {
   public:
    void setup(registry&, const std::string&) {}
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device> x) {
      in_ = x.image();
      feature_map<Device> y(c.device, x.batch(), output(in_));
      global_average_pool_forward(c.device, x, y);
      return y;
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device> dy) {
      feature_map<Device> dx(c.device, dy.batch(), in_);
      global_average_pool_backward(c.device, dy, dx);
      return dx;
    }

   private:
    shape in_;
  };
};

}  // namespace advprop
