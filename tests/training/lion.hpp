// An optimizer as a user writes it.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <advprop/attacks/arithmetic.hpp>
#include <advprop/training/optimizer.hpp>

namespace own_optimizer {

using namespace advprop;

/// Chen et al. 2023, algorithm 2.
struct lion {
  float learning_rate = 1e-3f, beta1 = 0.9f, beta2 = 0.99f, weight_decay = 0;
  advprop::decay_rule decay_rule = advprop::decay_rule::weights;
  float clip_norm = 0;
  std::vector<layer_rate> layer_rates{};

  std::string description() const { return optimizer_description("lion", options(), layer_rates); }
  std::array<optimizer_option, 1> options() const {
    return {{{"learning_rate", learning_rate, optimizer_option::not_negative}}};
  }

  template <class Model>
  struct state;
};

template <class Model>
struct lion::state : optimizer_state<Model, 1> {
  static constexpr std::array slots{"momentum"};
  lion o;

  state(const lion& own, Model& net)
      : optimizer_state<Model, 1>(net, "lion", own.options(), own.decay_rule, own.layer_rates), o(own) {}
  void step(double factor = 1) {
    ++this->updates;
    this->for_parts(o.weight_decay, [&](float part, float decay, auto values, auto gradients, auto momentum) {
      const auto rate = static_cast<float>(o.learning_rate * factor * double(part));
      this->transform_numbers(values, gradients, momentum,
                              [rate, decay, b = o.beta1] ADVPROP_HD(float w, float g, float m) {
                                return w - rate * (sign(b * m + (1 - b) * g) + decay * w);
                              });
      this->transform_numbers(momentum, gradients, gradients,
                              [b = o.beta2] ADVPROP_HD(float m, float g, float) { return b * m + (1 - b) * g; });
    });
  }
};

}  // namespace own_optimizer
