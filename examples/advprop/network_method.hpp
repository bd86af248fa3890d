// The chosen method as the library's.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <advprop/training/methods.hpp>

#include "method.hpp"

namespace advprop::program {

/// Both methods for one domain, so that a model is compiled for one.
class single_domain {
 public:
  static constexpr bool micro_batches = true;
  explicit single_domain(const chosen_method& m) : clean_(m.which == chosen_method::kind::clean) {
    if (clean_) return;
    adversarial_.attack = m.attacks.at(0);
    adversarial_.mixture = m.mixture;
    adversarial_.clean_weight = m.weights.at(0);
    adversarial_.adversarial_weight = m.weights.at(1);
    adversarial_.matched_noise = m.matched_noise;
  }
  int parts() const { return clean_ ? 1 : adversarial_.parts(); }
  int streams() const { return 1; }
  std::string part_name(int i) const { return clean_ ? "clean" : adversarial_.part_name(i); }
  int smallest_pass(std::span<const int> images, int micro_batch) const {
    return clean_ ? clean_training().smallest_pass(images, micro_batch)
                  : adversarial_.smallest_pass(images, micro_batch);
  }
  template <class Model>
  step_metrics gradients(Model& net, std::span<const labelled_images> streams, const step_options& options) const {
    return clean_ ? clean_training().gradients(net, streams, options) : adversarial_.gradients(net, streams, options);
  }

 private:
  bool clean_;
  adversarial_training<chosen_attack> adversarial_{{}};
};

/// The library's method for a model with that many auxiliary domains.
template <int Auxiliaries>
auto method_for(const chosen_method& m) {
  if constexpr (Auxiliaries == 0) {
    return single_domain(m);
  } else {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      adversarial_propagation method(((void)I, m.attacks.at(I))...);
      method.clean_weight = m.weights.at(0);
      method.auxiliary = {auxiliary_options{m.weights.at(I + 1), m.streams.at(I), m.shares.at(I)}...};
      method.matched_noise = m.matched_noise;
      method.decoupled = m.decoupled;
      method.execution = m.concatenated ? execution::concatenated : execution::sequential;
      return method;
    }
    (std::make_index_sequence<static_cast<std::size_t>(Auxiliaries)>());
  }
}

}  // namespace advprop::program
