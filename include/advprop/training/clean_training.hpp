// Clean training, without adversaries.
#pragma once

#include <array>
#include <span>
#include <string>

#include <advprop/training/method.hpp>

namespace advprop {

/// One pass through the main domain.
struct clean_training {
  static constexpr bool micro_batches = true;
  int parts() const { return 1; }
  int streams() const { return 1; }
  std::string part_name(int) const { return "clean"; }
  std::string description() const { return "clean"; }
  int smallest_pass(std::span<const int> images, int micro_batch) const {
    return smallest_micro_batch(images[0], micro_batch);
  }

  template <class Model>
  step_metrics gradients(Model& net, std::span<const labelled_images> streams, const step_options& options) const {
    step_metrics m;
    for_micro_batches(std::array{streams[0]}, options, [&](const auto& parts, const step_options& own) {
      const micro_batch& clean = parts[0];
      accumulate_gradients(net, clean.images, routing{{main_domain, clean.count(), clean.share}}, own, m, 0);
    });
    return m;
  }
};

}  // namespace advprop
