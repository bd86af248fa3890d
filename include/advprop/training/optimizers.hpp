// Stochastic gradient descent over a model's flat block.
#pragma once

#include <cmath>
#include <span>

#include <advprop/core/error.hpp>
#include <advprop/device/arena.hpp>

namespace advprop {

/// PyTorch's SGD (Sutskever et al. 2013). Decay spares batch-norm scales and shifts and every bias.
struct sgd {
  float learning_rate = 0.1f;
  float momentum = 0.9f;
  float weight_decay = 0;
  bool nesterov = false;
  float clip_norm = 0;  ///< largest L2 length of all gradients together; 0: no clipping

  template <class Model>
  class state;
};

/// The optimizer at work on one model.
template <class Model>
class sgd::state {
 public:
  state(const sgd& options, Model& net)
      : options_(options), net_(&net), velocity_(net.device().memory().allocate(net.values().size() * sizeof(float))) {
    if (!(options.learning_rate >= 0)) fail<argument_error>("sgd: learning_rate is ", options.learning_rate);
    if (!(options.momentum >= 0 && options.momentum < 1))
      fail<argument_error>("sgd: momentum is ", options.momentum, ", must be in [0, 1)");
    if (!(options.weight_decay >= 0)) fail<argument_error>("sgd: weight_decay is ", options.weight_decay);
    if (!(options.clip_norm >= 0)) fail<argument_error>("sgd: clip_norm is ", options.clip_norm);
    fill(net.device(), 0.f, velocity());
  }

  /// One update from the model's gradients; the schedule's factor multiplies the learning rate.
  void step(double factor = 1) {
    auto& d = net_->device();
    float scale = 1;
    if (options_.clip_norm > 0) {
      const double length = std::sqrt(squared_norm(d, net_->gradients()));
      scale = static_cast<float>(std::fmin(1.0, options_.clip_norm / (length + 1e-6)));
    }
    const float rate = static_cast<float>(options_.learning_rate * factor);
    const std::size_t weights = net_->decayed();
    const auto update = [&](std::size_t first, std::size_t count, float decay) {
      sgd_update(d, {rate, options_.momentum, decay, options_.nesterov, scale}, net_->values().subspan(first, count),
                 net_->gradients().subspan(first, count), velocity().subspan(first, count));
    };
    update(0, weights, options_.weight_decay);
    update(weights, net_->values().size() - weights, 0);
  }

  /// What a checkpoint has to keep, in the order of the model's block.
  std::span<float> velocity() const { return {static_cast<float*>(velocity_.data()), net_->values().size()}; }

 private:
  sgd options_;
  Model* net_;
  arena::block velocity_;
};

}  // namespace advprop
