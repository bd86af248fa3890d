// Stochastic gradient descent.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/spec.hpp>
#include <advprop/training/optimizer.hpp>

namespace advprop {

/// PyTorch's SGD (Sutskever et al. 2013).
struct sgd {
  float learning_rate = 0.1f;
  float momentum = 0.9f;
  float weight_decay = 0;
  advprop::decay_rule decay_rule = advprop::decay_rule::weights;
  bool nesterov = false;
  float clip_norm = 0;                    ///< largest L2 length of all gradients together; 0: no clipping
  std::vector<layer_rate> layer_rates{};  ///< parts that learn at a rate of their own

  std::string description() const { return optimizer_description("sgd", options(), layer_rates); }

  template <class Model>
  class state;

 private:
  std::array<optimizer_option, 6> options() const {
    using option = optimizer_option;
    return {{{"learning_rate", learning_rate, option::not_negative},
             {"momentum", momentum, option::below_one},
             {"weight_decay", weight_decay, option::not_negative},
             {"decay_rule", static_cast<float>(decay_rule)},
             {"nesterov", static_cast<float>(nesterov)},
             {"clip_norm", clip_norm, option::not_negative}}};
  }
};

template <class Model>
class sgd::state : public optimizer_state<Model, 1> {
 public:
  static constexpr bool queued = true;
  static constexpr std::array slots{"velocity"};

  state(const sgd& options, Model& net)
      : optimizer_state<Model, 1>(net, "sgd", options.options(), options.decay_rule, options.layer_rates),
        options_(options) {}

  /// One update from the model's gradients; the schedule's factor multiplies the learning rate.
  void step(double factor = 1) {
    const sgd& o = options_;
    const double rate = double{o.learning_rate} * factor;
    sgd_spec spec{.momentum = o.momentum, .nesterov = o.nesterov};
    this->clip(spec, o.clip_norm);
    this->for_parts(o.weight_decay, [&](float part, float decay, auto values, auto gradients, auto velocity) {
      spec.learning_rate = static_cast<float>(rate * double{part});
      spec.weight_decay = decay;
      sgd_update(this->device(), spec, values, gradients, velocity);
    });
    ++this->updates;
  }

 private:
  sgd options_;
};

}  // namespace advprop
