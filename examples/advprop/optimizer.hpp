// Every optimizer of the library behind one type, chosen at run time: models are then compiled for one.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include <advprop/training/optimizers.hpp>

namespace advprop::program {

struct chosen_optimizer {
  std::variant<sgd, rmsprop, adamw> which;
  double learning_rate = 0;

  template <class Optimizer>
  chosen_optimizer(const Optimizer& o) : which(o), learning_rate(o.learning_rate) {}  // NOLINT: one of them is one

  std::string description() const {
    return std::visit([](const auto& o) { return o.description(); }, which);
  }

  template <class Model>
  class state {
   public:
    static constexpr bool queued =
        sgd::state<Model>::queued && rmsprop::state<Model>::queued && adamw::state<Model>::queued;
    static constexpr std::array slots{"first", "second"};  // sgd has no second
    std::int64_t updates = 0;

    state(const chosen_optimizer& o, Model& net) {
      std::visit(
          [&]<class O>(const O& chosen) { at_.template emplace<typename O::template state<Model>>(chosen, net); },
          o.which);
    }
    void step(double factor) {
      std::visit(
          [&]<class S>(S& s) {
            if constexpr (!std::is_same_v<S, std::monostate>) {
              s.updates = updates;  // a checkpoint may have set it
              s.step(factor);
              updates = s.updates;
            }
          },
          at_);
    }
    std::span<float> slot(int i) const {
      return std::visit(
          [&]<class S>(const S& s) -> std::span<float> {
            if constexpr (!std::is_same_v<S, std::monostate>) {
              if (i < static_cast<int>(S::slots.size())) return s.slot(i);
            }
            return {};
          },
          at_);
    }

   private:
    std::variant<std::monostate, sgd::state<Model>, rmsprop::state<Model>, adamw::state<Model>> at_;
  };
};

}  // namespace advprop::program
