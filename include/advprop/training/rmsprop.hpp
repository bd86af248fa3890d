// RMSProp as TensorFlow has it.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/spec.hpp>
#include <advprop/training/optimizer.hpp>

namespace advprop {

/// TensorFlow's RMSProp (`tf.train.RMSPropOptimizer`, timm's `RMSpropTF`), which differs from PyTorch's: epsilon stands
/// inside the root, the mean square starts at one, and the learning rate goes into the momentum. The defaults are those
/// of EfficientNet's trainer for batches of 256 (`scaled_rate` for others); its decay is an L2 term of the loss.
struct rmsprop {
  float learning_rate = 0.016f;
  float decay = 0.9f;  ///< of the mean square
  float momentum = 0.9f;
  float epsilon = 1e-3f;
  float weight_decay = 1e-5f;
  advprop::decay_rule decay_rule = advprop::decay_rule::weights_and_biases;
  float clip_norm = 0;                    ///< largest L2 length of all gradients together; 0: no clipping
  std::vector<layer_rate> layer_rates{};  ///< parts that learn at a rate of their own

  std::string description() const { return optimizer_description("rmsprop", options(), layer_rates); }

  template <class Model>
  class state;

 private:
  std::array<optimizer_option, 7> options() const {
    using option = optimizer_option;
    return {{{"learning_rate", learning_rate, option::not_negative},
             {"decay", decay, option::below_one},
             {"momentum", momentum, option::below_one},
             {"epsilon", epsilon, option::above_zero},
             {"weight_decay", weight_decay, option::not_negative},
             {"decay_rule", static_cast<float>(decay_rule)},
             {"clip_norm", clip_norm, option::not_negative}}};
  }
};

template <class Model>
class rmsprop::state : public optimizer_state<Model, 2> {
 public:
  static constexpr bool queued = true;
  static constexpr std::array slots{"mean_square", "velocity"};

  state(const rmsprop& options, Model& net)
      : optimizer_state<Model, 2>(net, "rmsprop", options.options(), options.decay_rule, options.layer_rates),
        options_(options) {
    fill(net.device(), 1.f, this->slot(0));
  }

  /// One update from the model's gradients; the schedule's factor multiplies the learning rate.
  void step(double factor = 1) {
    const rmsprop& o = options_;
    const double rate = double{o.learning_rate} * factor;
    rmsprop_spec spec{.decay = o.decay, .momentum = o.momentum, .epsilon = o.epsilon};
    this->clip(spec, o.clip_norm);
    this->for_parts(o.weight_decay,
                    [&](float part, float own_decay, auto values, auto gradients, auto mean_square, auto velocity) {
                      spec.learning_rate = static_cast<float>(rate * double{part});
                      spec.weight_decay = own_decay;
                      rmsprop_update(this->device(), spec, values, gradients, mean_square, velocity);
                    });
    ++this->updates;
  }

 private:
  rmsprop options_;
};

}  // namespace advprop
