// What a training method offers to the training loop.
#pragma once

#include <cmath>
#include <concepts>
#include <span>
#include <string>

#include <advprop/core/error.hpp>
#include <advprop/training/step.hpp>

namespace advprop {

/// How many losses a method has, what `step_metrics::parts[i]` counts, and how many data streams it reads.
template <class M>
concept method_of_parts = requires(const M& method, int i) {
  { method.parts() } -> std::convertible_to<int>;
  { method.part_name(i) } -> std::convertible_to<std::string>;
  { method.streams() } -> std::convertible_to<int>;
};
/// A method fills the model's gradients from one batch of each of its data streams. One that takes these in
/// micro-batches where the options ask for it (`for_micro_batches`) says so: static constexpr bool micro_batches =
/// true. One that tells how few images a batch norm would be given at a time, of batches of `images` of its streams,
/// has `fit` refuse an epoch whose last batch is too small before the first step: int smallest_pass(std::span<const
/// int> images, int micro_batch) const. And one that names all that decides its bits is not resumed as another:
/// std::string description() const.
template <class M, class Model>
concept training_method = method_of_parts<M> &&
    requires(const M& method, Model& net, std::span<const labelled_images> streams, const step_options& options) {
  { method.gradients(net, streams, options) } -> std::same_as<step_metrics>;
};

/// Whether a method says that it takes its batches in micro-batches.
template <class M>
inline constexpr bool takes_micro_batches = requires {
  requires M::micro_batches;
};

/// What tells a method from others; empty where it does not say.
template <class M>
std::string method_description(const M& method) {
  if constexpr (requires {
                  { method.description() } -> std::convertible_to<std::string>;
                })
    return method.description();
  else
    return {};
}

template <class M>
concept tells_smallest_pass = requires(const M& method, std::span<const int> images, int micro_batch) {
  { method.smallest_pass(images, micro_batch) } -> std::convertible_to<int>;
};

namespace detail {
/// Throws `argument_error` for a loss's weight that would climb, or is no number.
inline void check_loss_weight(const char* method, const char* member, float weight) {
  if (!(weight >= 0 && std::isfinite(weight)))
    fail<argument_error>(method, ": ", member, " is ", weight, ", must be 0 or more");
}
}  // namespace detail

}  // namespace advprop
