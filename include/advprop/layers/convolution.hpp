// Two-dimensional convolution: dense, grouped or depthwise.
#pragma once

#include <cmath>
#include <utility>

#include <advprop/core/spec.hpp>
#include <advprop/layers/batch_norm.hpp>
#include <advprop/layers/layer.hpp>

namespace advprop {

/// `zero` is `on` with a start at zero (TensorFlow's) instead of PyTorch's uniform one.
enum class bias { off, on, zero };

namespace detail {

/// Whether a device's convolutions can send the gradient of their input through the activation that gave it.
template <class Device>
concept masking_device = requires(Device& d, const conv_spec& s, feature_view<typename Device::element> x,
                                  const float* w, const norm_parameters& p) {
  conv_norm_backward_input(d, s, activation::relu, x, x, w, p, x, x, activation::relu, x);
};

/// What a convolution keeps and does, whatever its shape: compiled once.
template <class Domains, class Device>
class conv_state {
 public:
  [[gnu::cold]] void setup(registry& r, const std::string& name, const conv_spec& s, bias b) {
    place_ = r.places();
    const int area = s.kernel * s.kernel, fan_in = s.in / s.groups * area;
    const int fan_out = (s.groups == s.in ? s.out / s.groups : s.out) * area;
    weight_ = r.weight(join(name, "weight"), {s.out, s.in / s.groups, s.kernel, s.kernel},
                       {initial::normal, std::sqrt(2.f / static_cast<float>(fan_out))});
    const initial start{initial::uniform, 1 / std::sqrt(static_cast<float>(fan_in))};
    if (b != bias::off)
      bias_ = r.bias(join(name, "bias"), {s.out}, b == bias::zero ? initial{initial::constant, 0} : start);
  }

  [[gnu::noinline]] feature_map<Device> forward(context<Domains, Device>& c, const conv_spec& s, bias b,
                                                const feature_map<Device>& x) {
    feature_map<Device> y = result_for(c, s, x);
    conv_forward(c.device, s, x, c.store.weight(weight_), y);
    if (b != bias::off) bias_forward(c.device, c.store.bias(bias_), y);
    in_ = x.image();
    x_ = saved_if(has(c.keep, wrt::parameters) && learns(c), x);
    return y;
  }

  /// `added` is added to the gradient of x.
  [[gnu::noinline]] feature_map<Device> backward(context<Domains, Device>& c, const conv_spec& s, bias b,
                                                 wrt with_respect, const feature_map<Device>& dy,
                                                 const feature_map<Device>& added) {
    if (has(with_respect, wrt::parameters)) {
      if (learns(c)) conv_backward_weight(c.device, s, x_, dy, c.store.weight_gradient(weight_));
      if (b != bias::off && c.store.bias_learns(bias_)) bias_backward(c.device, dy, c.store.bias_gradient(bias_));
      x_ = {};
    }
    feature_map<Device> dx;
    if (has(with_respect, wrt::input) && c.reaches(place_)) {
      dx = feature_map<Device>(c.device, dy.batch(), in_);
      conv_backward_input(c.device, s, dy, c.store.weight(weight_), dx, added);
    }
    return dx;
  }

  /// Convolution and the batch norm behind it, as one operation where it `folds`, else with the statistics that it
  /// `measures`.
  [[gnu::noinline]] feature_map<Device> forward(context<Domains, Device>& c, const conv_spec& s,
                                                norm_state<Domains, Device>& norm, const norm_spec& n,
                                                const feature_map<Device>& x, const feature_map<Device>& added) {
    feature_map<Device> y = result_for(c, s, x);
    check_added(y, added);
    in_ = x.image();
    if constexpr (statistics_device<Device>) {
      if (norm.measures(c)) {
        norm.measured_by(c, n, [&](float* mean, float* variance) {
          conv_forward_statistics(c.device, s, x, c.store.weight(weight_), y, mean, variance);
        });
        x_ = saved_if(has(c.keep, wrt::parameters) && learns(c), x);
        return norm.forward(c, n, y, added, true);
      }
    }
    norm.for_groups(c, n, [&](int first, int count, const norm_parameters& p) {
      conv_norm_forward(c.device, s, x.slice(first, count), c.store.weight(weight_), n.after, p,
                        added.slice(first, count), y.slice(first, count));
    });
    norm.keep_result(c, n, y);
    return y;
  }

  /// The gradient of x, and that of the added branch when there was one. `added` is added to the gradient of x, which
  /// then goes through `below`, the activation that gave x, if the device can do that, too.
  [[gnu::noinline]] std::pair<feature_map<Device>, feature_map<Device>> backward(
      context<Domains, Device>& c, const conv_spec& s, norm_state<Domains, Device>& norm, const norm_spec& n,
      const feature_map<Device>& dy, bool has_add, const feature_map<Device>& added,
      pending_activation<Device>* below) {
    pending_activation<Device> own = std::exchange(*norm.pending(), {}), input;
    feature_map<Device> g = dy, dadd;
    if (has_add) {
      if (own.which != activation::identity) {
        g = writable(c.device, dy, dy.unique());
        activation_backward(c.device, own.which, own.result, dy, g);
        own.which = activation::identity;
      }
      dadd = g;
    }
    if (masking_device<Device> && below) input = std::exchange(*below, {});
    feature_map<Device> dx(c.device, dy.batch(), in_);
    norm.for_groups(c, n, [&](int first, int count, const norm_parameters& p) {
      const auto backward_input = [&](const auto&... through) {
        conv_norm_backward_input(c.device, s, own.which, own.result.slice(first, count), g.slice(first, count),
                                 c.store.weight(weight_), p, dx.slice(first, count), added.slice(first, count),
                                 through...);
      };
      if constexpr (masking_device<Device>)
        backward_input(input.which, input.result.slice(first, count));
      else
        backward_input();
    });
    return {std::move(dx), std::move(dadd)};
  }

 private:
  feature_map<Device> result_for(context<Domains, Device>& c, const conv_spec& s, const feature_map<Device>& x) {
    check_channels("convolution", x, s.in);
    const shape out{s.out, s.output(x.image().height), s.output(x.image().width)};
    if (out.height < 1 || out.width < 1)
      fail<argument_error>("convolution: a ", s.kernel, "x", s.kernel, " kernel does not fit an image of ",
                           x.image().height, "x", x.image().width, " with padding ", s.padding);
    return feature_map<Device>(c.device, x.batch(), out);
  }

  bool learns(const context<Domains, Device>& c) const { return c.store.weight_learns(weight_); }

  std::size_t weight_ = 0, bias_ = 0;
  int place_ = 0;
  shape in_;
  feature_map<Device> x_;
};

}  // namespace detail

/// `Out` channels, a square kernel, `Padding` zeros a side or `same_padding`. Weights start as torchvision's and
/// timm's ResNets: normal, Kaiming fan-out (He et al. 2015b), which for PyTorch is that of all groups together; one
/// filter per channel starts as in TensorFlow and timm, by the fan-out of a filter. `Groups` divides both channel
/// counts.
template <int Out, int Kernel, int Stride = 1, int Padding = Kernel / 2, int Groups = 1, bias Bias = bias::off>
struct convolution {
  static_assert(Out > 0 && Kernel > 0 && Stride > 0 && Groups > 0,
                "convolution: channels, kernel, stride and groups must be positive");
  static_assert(Padding >= 0 || Padding == same_padding, "convolution: padding must not be negative");

  static constexpr bool folds = Bias == bias::off;  ///< a batch norm behind it can be folded in
  static constexpr conv_spec spec(int in) { return {in, Out, Kernel, Stride, Padding, Groups}; }
  static constexpr shape output(shape s) {
    const conv_spec c = spec(s.channels);
    return {Out, c.output(s.height), c.output(s.width)};
  }
  static constexpr long parameters(int in) {
    return long{Out} * (in / spec(in).groups) * Kernel * Kernel + (Bias == bias::off ? 0 : Out);
  }

  template <int In, class Domains, class Device>
  class state {
    static constexpr conv_spec conv = spec(In);
    static_assert(In % conv.groups == 0 && Out % conv.groups == 0,
                  "convolution: groups must divide both channel counts");

   public:
    void setup(registry& r, const std::string& name) { state_.setup(r, name, conv, Bias); }
    feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) {
      return state_.forward(c, conv, Bias, x);
    }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy,
                                 feature_map<Device>&& added = {}) {
      return state_.backward(c, conv, Bias, W, dy, added);
    }

    /// With the batch norm behind it, in passes in which that `joins`.
    template <class Norm>
    feature_map<Device> forward(context<Domains, Device>& c, Norm& norm, feature_map<Device>&& x,
                                feature_map<Device>&& added = {}) {
      return state_.forward(c, conv, norm.core(), Norm::spec, x, added);
    }
    template <class Norm>
    auto backward(context<Domains, Device>& c, Norm& norm, feature_map<Device>&& dy, bool has_add,
                  detail::pending_activation<Device>* below, feature_map<Device>&& added = {}) {
      return state_.backward(c, conv, norm.core(), Norm::spec, dy, has_add, added, below);
    }

   private:
    detail::conv_state<Domains, Device> state_;
  };
};

/// One filter per channel.
template <int Kernel, int Stride = 1, int Padding = Kernel / 2>
struct depthwise {
  static constexpr bool folds = true;
  // The output width is the input's, so it cannot be a plain alias of `convolution`.
  static constexpr shape output(shape s) {
    const conv_spec c{s.channels, s.channels, Kernel, Stride, Padding, s.channels};
    return {s.channels, c.output(s.height), c.output(s.width)};
  }
  static constexpr long parameters(int in) { return long{in} * Kernel * Kernel; }

  template <int In, class Domains, class Device>
  using state = typename convolution<In, Kernel, Stride, Padding, In>::template state<In, Domains, Device>;
};

}  // namespace advprop
