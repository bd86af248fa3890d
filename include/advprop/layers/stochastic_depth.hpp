// Stochastic depth: whole residual branches are left out at random, image by image.
#pragma once

#include <advprop/layers/layer.hpp>

namespace advprop {

/// A network's block without a branch to leave out, as EfficientNet's blocks that change the shape are. It counts in
/// the rule of `stochastic_depth` and does nothing else. Place it anywhere in the block.
struct block_counter {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  struct state {
    void setup(registry& r, const std::string&) { r.count_block(); }
    feature_map<Device> forward(context<Domains, Device>&, feature_map<Device> x) { return x; }
    template <wrt W>
    feature_map<Device> backward(context<Domains, Device>&, feature_map<Device> dy) {
      return dy;
    }
  };
};

namespace detail {

/// What a stochastic depth keeps and does, whatever its width: compiled once.
template <class Domains, class Device>
class stochastic_depth_state {
 public:
  void setup(registry& r, const std::string& name) {
    tag_ = noise_tag(name);
    block_ = r.count_block();
    r.close_branch();
  }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x) { return drop(c, std::move(x)); }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy) {
    return drop(c, std::move(dy));
  }

 private:
  [[gnu::noinline]] feature_map<Device> drop(context<Domains, Device>& c, feature_map<Device> x) const {
    const float rate = c.depth.rate_of(block_);
    if (!c.drop || rate == 0) return x;
    feature_map<Device> y = writable(c.device, x, x.unique());
    for_noise_parts(c, tag_, [&](int first, int count, const random_stream& r) {
      drop_images(c.device, rate, r, x.slice(first, count), y.slice(first, count));
    });
    return y;
  }

  int block_ = 0;
  std::uint64_t tag_ = 0;
};

}  // namespace detail

/// Ends the body of a `residual` (Huang et al. 2016): in passes that `drop`, block b of the network's B, counted from 0
/// in order, zeroes its branch for each image with probability rate * b / B, and divides what stays by the complement.
/// That is the rule of TensorFlow's EfficientNet, timm and torchvision. The rate is the model's:
/// `model::stochastic_depth(rate)`. The layer needs no place in checkpoints and is not a level in names.
struct stochastic_depth {
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int) { return 0; }

  template <int In, class Domains, class Device>
  using state = detail::stochastic_depth_state<Domains, Device>;
};

}  // namespace advprop
