// The learning rate over a run, as a factor of its base.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/number_text.hpp>

namespace advprop {

/// The rate for batches of `batch` images in proportion to that for `of` (Goyal et al. 2017, section 2.1).
constexpr float scaled_rate(float rate, int batch, int of = 256) {
  return rate * static_cast<float>(batch) / static_cast<float>(of);
}

/// Constant, stepwise, cosine or exponential, after an optional linear warm-up.
struct schedule {
  enum class shape { constant, step, cosine, exponential, staircase } kind = shape::cosine;
  double warm_up = 0;                ///< epochs of linear rise from 0 (Goyal et al. 2017)
  std::vector<double> milestones{};  ///< `step`: epochs at which the factor falls
  double decay = 0.1;                ///< what it is multiplied with there, or once in `every` epochs
  double final = 0;                  ///< `cosine`: the factor at the end (Loshchilov & Hutter 2017)
  double every = 2.4;                ///< `exponential`, `staircase`: epochs

  static schedule constant() { return {.kind = shape::constant}; }
  static schedule step(std::vector<double> epochs, double decay = 0.1) {
    return {.kind = shape::step, .milestones = std::move(epochs), .decay = decay};
  }
  static schedule cosine(double final = 0) { return {.kind = shape::cosine, .final = final}; }
  /// decay ^ (epoch / every). Its epochs count from the start of training, a warm-up's too, so that the factor comes
  /// out of the warm-up below 1, as in EfficientNet's trainer.
  static schedule exponential(double decay = 0.97, double every = 2.4) {
    return {.kind = shape::exponential, .decay = decay, .every = every};
  }
  /// The same with only whole multiples of `every`. The defaults are EfficientNet's, whose warm-up is 5 epochs.
  static schedule staircase(double decay = 0.97, double every = 2.4) {
    return {.kind = shape::staircase, .decay = decay, .every = every};
  }

  /// The same after a linear rise over the first `epochs`.
  [[nodiscard]] schedule warmed_up(double epochs) const {
    schedule s = *this;
    s.warm_up = epochs;
    return s;
  }

  /// Whether the factor depends on how many epochs the run has. If not, a finished run can be gone on with.
  bool by_length() const { return kind == shape::cosine; }

  /// Throws `argument_error` naming the member that makes no sense.
  void check() const;

  /// All that decides the factor.
  std::string description() const;

  /// The factor at a point of the run, both in epochs; fractions count.
  double factor(double epoch, double epochs) const;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/training/schedule.inl>
#endif
