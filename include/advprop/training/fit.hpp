// The training loop: epochs of steps, a schedule, checkpoints that resume to the same bits.
#pragma once

#include <span>
#include <type_traits>

#include <advprop/data/loader.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/best_weights.hpp>
#include <advprop/training/fit_options.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/run_checks.hpp>
#include <advprop/training/run_preparation.hpp>
#include <advprop/training/training_run.hpp>

namespace advprop {

/// Trains `net` for `options.epochs` epochs of the first loader; the others feed the method's further data streams and
/// go round as they need. A call is a whole run: loaders, optimizer, schedule and randomness begin anew, so look at the
/// network between epochs in `on_epoch`. A loss that is NaN or infinite throws `numeric_error` before the weights
/// change, and leaves the last checkpoint as it is; a GPU may have the next step's gradients in the model by then.
/// Weights or statistics that are not finite at an epoch's end, or where a checkpoint is due, throw it, too. A run that
/// was killed and resumed ends in the same bits as one that was not (on a GPU with `engine_choice::fixed`). An
/// `average` follows the model from step to step; `best` scores each epoch's end, and its checkpoint holds what that
/// kept. Throws `argument_error` for values outside [0, 1] in the first batches, and before the first step where an
/// epoch's last batch is too small for batch statistics. Where a GPU's memory is too small, `memory_error` says which
/// batch would fit.
template <class Model, training_method<Model> Method, class Optimizer>
void fit(Model& net, std::span<loader* const> data, const Method& method, const Optimizer& optimizer,
         const fit_options& options = {}, averaged_weights<std::type_identity_t<Model>>* average = nullptr,
         best_weights<std::type_identity_t<Model>>* best = nullptr) try {
  static_assert(optimizer_policy<Optimizer, Model>, "fit: this is not an optimizer; see optimizer_policy");
  detail::check_run(net, data, method, options, average, best);
  if (best && !(options.resume && file_exists(options.checkpoint))) best->begin();
  detail::prepare_steps(net, *data[0], method, optimizer, average ? &average->options() : nullptr, options.micro_batch);
  detail::training_run<Model, Method, Optimizer>(net, data, method, optimizer, options, average, best).train();
} catch (const memory_error& e) {
  detail::explain(e, net, *data[0], method, optimizer, average ? &average->options() : nullptr, options.micro_batch);
}

namespace detail {
/// One short message where a method or an optimizer is none, in place of what all the overloads have to say.
template <class Model, class Method, class Optimizer>
constexpr bool fits() {
  static_assert(training_method<Method, Model>, "fit: this is not a training method; see training_method");
  static_assert(optimizer_policy<Optimizer, Model>, "fit: this is not an optimizer; see optimizer_policy");
  return training_method<Method, Model> && optimizer_policy<Optimizer, Model>;
}
}  // namespace detail

template <class Model, class Method, class Optimizer>
void fit(Model& net, loader& data, const Method& method, const Optimizer& optimizer, const fit_options& options = {},
         averaged_weights<std::type_identity_t<Model>>* average = nullptr,
         best_weights<std::type_identity_t<Model>>* best = nullptr) {
  loader* const one[] = {&data};
  if constexpr (detail::fits<Model, Method, Optimizer>())
    fit(net, std::span<loader* const>(one), method, optimizer, options, average, best);
}

/// The same over a whole data set, shuffled, without augmentation. What is left after an epoch's last full batch has
/// its turn in another epoch.
template <class Model, source Source, class Method, class Optimizer>
void fit(Model& net, const Source& data, const Method& method, const Optimizer& optimizer,
         const fit_options& options = {}, averaged_weights<std::type_identity_t<Model>>* average = nullptr,
         best_weights<std::type_identity_t<Model>>* best = nullptr) {
  const int batch = options.batch == 0 ? loader_options().batch : options.batch;
  loader batches(data, {.batch = batch, .seed = options.seed, .drop_last = data.size() >= batch});
  if constexpr (detail::fits<Model, Method, Optimizer>()) fit(net, batches, method, optimizer, options, average, best);
}

}  // namespace advprop
