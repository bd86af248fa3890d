// Adam with decoupled weight decay.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/spec.hpp>
#include <advprop/training/optimizer.hpp>

namespace advprop {

/// PyTorch's AdamW (Loshchilov & Hutter 2019): decay shrinks the numbers by learning_rate * weight_decay and stays out
/// of the moments; without decay it is Adam (Kingma & Ba 2015).
struct adamw {
  float learning_rate = 1e-3f;
  float beta1 = 0.9f, beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 1e-2f;
  advprop::decay_rule decay_rule = advprop::decay_rule::weights;
  float clip_norm = 0;                    ///< largest L2 length of all gradients together; 0: no clipping
  std::vector<layer_rate> layer_rates{};  ///< parts that learn at a rate of their own

  std::string description() const { return optimizer_description("adamw", options(), layer_rates); }

  template <class Model>
  class state;

 private:
  std::array<optimizer_option, 7> options() const {
    using option = optimizer_option;
    return {{{"learning_rate", learning_rate, option::not_negative},
             {"beta1", beta1, option::below_one},
             {"beta2", beta2, option::below_one},
             {"epsilon", epsilon, option::above_zero},
             {"weight_decay", weight_decay, option::not_negative},
             {"decay_rule", static_cast<float>(decay_rule)},
             {"clip_norm", clip_norm, option::not_negative}}};
  }
};

template <class Model>
class adamw::state : public optimizer_state<Model, 2> {
 public:
  static constexpr bool queued = true;
  static constexpr std::array slots{"mean", "mean_square"};

  state(const adamw& options, Model& net)
      : optimizer_state<Model, 2>(net, "adamw", options.options(), options.decay_rule, options.layer_rates),
        options_(options) {}

  /// One update from the model's gradients; the schedule's factor multiplies the learning rate.
  void step(double factor = 1) {
    const adamw& o = options_;
    const auto t = static_cast<double>(++this->updates);
    const double rate = double{o.learning_rate} * factor;
    adamw_spec spec{.beta1 = o.beta1, .beta2 = o.beta2, .epsilon = o.epsilon};
    this->clip(spec, o.clip_norm);
    spec.root_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(double{o.beta2}, t)));
    const double step_size = rate / (1 - std::pow(double{o.beta1}, t));
    this->for_parts(o.weight_decay,
                    [&](float part, float decay, auto values, auto gradients, auto mean, auto mean_square) {
                      spec.learning_rate = static_cast<float>(rate * double{part});
                      spec.step_size = static_cast<float>(step_size * double{part});
                      spec.weight_decay = decay;
                      adamw_update(this->device(), spec, values, gradients, mean, mean_square);
                    });
  }

 private:
  adamw options_;
};

}  // namespace advprop
