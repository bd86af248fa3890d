// The training loop: epochs of steps, a schedule, checkpoints that resume to the same bits.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <advprop/core/unit_interval.hpp>
#include <advprop/data/loader.hpp>
#include <advprop/device/repeated.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/best_weights.hpp>
#include <advprop/training/fit_options.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/plan.hpp>
#include <advprop/training/run_checkpoint.hpp>
#include <advprop/training/run_checks.hpp>

namespace advprop {

namespace detail {

/// A step whose losses the device may still be computing.
template <class Model>
struct queued_step {
  int epoch = 0, step = 0, images = 0;  // step: of the epoch, from 1
  double rate = 0;
  std::chrono::steady_clock::time_point begin{};
  step_metrics metrics{};
  long call = 0;  // of `repeated`
  // What the host has counted on, as it was before the updates.
  std::array<std::int64_t, static_cast<std::size_t>(Model::domains_type::statistic_sets)> tracked{};
  std::int64_t averaged = 0;
};

/// A step of `fit`, planned on a device like the model's.
template <class Model, class Method, class Optimizer>
[[gnu::cold]] work_plan planned_step(Model& net, const loader& data, const Method& method, const Optimizer& optimizer,
                                     const average_options* average, int micro_batch) {
  typename Model::device_type dry(dry_run{}, net.device());
  Model planned(dry);
  return plan_training(planned, method, optimizer, data.options().batch, data.image().height, data.image().width,
                       average, micro_batch);
}

/// Takes the memory of a step at once where a device tells how much of it is free: taken bit by bit it would be more,
/// as a block does not lie in two slabs.
template <class Model, class Method, class Optimizer>
void reserve_step(Model& net, const loader& data, const Method& method, const Optimizer& optimizer,
                  const average_options* average, int micro_batch) {
  auto& device = net.device();
  if constexpr (requires { device.free_memory(); }) {
    arena& memory = device.memory();
    const std::size_t peak = planned_step(net, data, method, optimizer, average, micro_batch).peak;
    if (peak > memory.reserved() && peak - memory.in_use() <= device.free_memory())
      memory.reserve(peak - memory.in_use());
  }
}

/// Throws `e` again with what a step was planned to take, and how many images would fit, where a device tells how much
/// of its memory is free.
template <class Model, class Method, class Optimizer>
[[noreturn, gnu::cold]] void explain(const memory_error& e, Model& net, const loader& data, const Method& method,
                                     const Optimizer& optimizer, const average_options* average, int micro_batch) {
  auto& device = net.device();
  if constexpr (requires { device.free_memory(); }) {
    const std::size_t there = device.memory().reserved() + device.free_memory();
    const int batch = data.options().batch;
    const work_plan plan = planned_step(net, data, method, optimizer, average, micro_batch);
    const std::string way = micro_batch > 0 ? " in micro-batches of " + std::to_string(micro_batch) : "";
    const auto fitting = [&](int most, int whole) {
      return fitting_batch<Model>(device, there, method, optimizer, most, data.image().height, data.image().width,
                                  average, whole);
    };
    const int fits = fitting(batch, 0);
    std::string remedy = "a batch of " + std::to_string(fits) + " fits";
    if constexpr (takes_micro_batches<Method>)
      if (const int part = fitting(fits, batch); part > 0) remedy += ", or micro-batches of " + std::to_string(part);
    fail<memory_error>(e.what(), "; a step on ", batch, " images", way, " takes ", plan.reserved >> 20,
                       " MiB and up to ", plan.library_workspace >> 20, " MiB of workspace, where there are ",
                       there >> 20, " MiB: ", remedy);
  }
  throw;
}

}  // namespace detail

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
  static_assert(optimizer_policy<Optimizer, Model>, "fit: this is no optimizer; see optimizer_policy");
  using clock = std::chrono::steady_clock;
  using device = typename Model::device_type;
  using state_type = typename Optimizer::template state<Model>;
  // Other optimizers may do what no guard holds back: they wait until the losses are known.
  constexpr bool queues_updates = requires { requires state_type::queued; };
  detail::check_run(net, data, method, options, average, best);
  detail::reserve_step(net, *data[0], method, optimizer, average ? &average->options() : nullptr, options.micro_batch);
  state_type state(optimizer, net);
  const std::string fingerprint =
      detail::run_fingerprint(options, data, optimizer.description(), average ? &average->options() : nullptr, best);
  detail::run_position at;
  if (options.resume && file_exists(options.checkpoint)) {
    at = detail::read_training(options.checkpoint, net, state, average, best, data, fingerprint);
  } else {
    for (loader* l : data)
      if (l->state() != loader_state{}) l->seek({});
  }
  const auto save_state = [&] {
    // A step may have left NaN weights behind a loss that was still finite: they must not replace the good state.
    for (std::span<const float> numbers : {net.values(), net.running()})
      if (!std::isfinite(squared_norm(net.device(), numbers)))
        fail<numeric_error>("fit: after ", at.step, " steps the weights or statistics are not finite",
                            detail::last_good_state(options));
    if (options.checkpoint.empty()) return;
    detail::write_training(options.checkpoint, net, state, average, best, at, data, fingerprint);
  };

  const std::int64_t begun = at.step;
  const int steps = data[0]->batches();
  std::vector<labelled_images> streams(data.size());
  repeated<device> work;
  update_guard<device> guard(net.device());
  std::deque<staging<device>> staged;
  for (std::size_t i = 0; i < data.size(); ++i) staged.emplace_back(net.device());
  using step_type = detail::queued_step<Model>;
  std::optional<step_type> queued;
  auto reported = clock::now();

  const auto refuse = [&](const step_type& q) {
    if (q.metrics.finite()) return;
    for (int set = 0; const std::int64_t batches : q.tracked) net.batches_tracked(set++) = batches;
    if (average) average->updates = q.averaged;
    fail<numeric_error>("fit: the loss is not a finite number in epoch ", q.epoch + 1, ", step ", q.step,
                        detail::last_good_state(options));
  };
  /// The losses of the step that was queued last, unless they were read.
  const auto report_queued = [&] {
    if (!queued) return;
    step_type q = *std::exchange(queued, std::nullopt);
    q.metrics.settle(net.device(), q.call);
    refuse(q);
    at.metrics += q.metrics;
    const double seconds = std::chrono::duration<double>(clock::now() - std::max(q.begin, reported)).count();
    at.seconds += seconds;
    if (options.on_step)
      options.on_step({q.epoch, options.epochs, q.step, steps, at.metrics, q.rate, seconds, q.images});
    reported = clock::now();
  };

  while (at.epoch < options.epochs) {
    double rate = 0;
    while (at.step_of_epoch < steps) {
      step_type now{at.epoch, at.step_of_epoch + 1};
      now.begin = clock::now();
      for (std::size_t i = 0; i < data.size(); ++i) {
        const auto& b = data[i]->next();
        if (at.step == begun) check_unit_interval("fit", b.images.view());
        const auto pixels = staged[i].bring({b.images.data(), static_cast<std::size_t>(b.images.size())});
        streams[i] = {{pixels.data(), b.images.extents()}, b.targets()};
      }
      now.images = streams[0].images.extent(0);
      const step_options step{options.label_smoothing,
                              random_stream(options.seed.value, 1).split(static_cast<std::uint64_t>(at.step)),
                              options.micro_batch};
      const double factor =
          options.schedule.factor(at.epoch + static_cast<double>(at.step_of_epoch) / steps, options.epochs);
      now.rate = rate = factor * optimizer.learning_rate;
      const auto update = [&] {
        for (int set = 0; std::int64_t & batches : now.tracked) batches = net.batches_tracked(set++);
        if (average) now.averaged = average->updates;
        if (!now.metrics.finite()) report_queued();  // its losses may not have been, either
        refuse(now);
        now.metrics.watch(guard);
        state.step(factor);
        if (average) average->update();
      };
      now.call = work.run(net.device(), [&] {
        net.zero_gradients();
        now.metrics = method.gradients(net, streams, step);
        if (queues_updates) update();
      });
      if (!queues_updates) {
        now.metrics.settle(net.device(), now.call);
        update();
      }
      ++at.step;
      ++at.step_of_epoch;
      report_queued();
      const bool save = options.checkpoint_steps > 0 && at.step % options.checkpoint_steps == 0;
      const bool done = now.metrics.settled();
      queued = now;
      if (done || !options.queue_ahead || save || at.step_of_epoch == steps) report_queued();
      if (save && at.step_of_epoch < steps) save_state();
    }
    const epoch_report report{at.epoch, at.metrics, rate, at.seconds, data[0]->images()};
    ++at.epoch;
    at.step_of_epoch = 0;
    at.metrics = {};
    at.seconds = 0;
    if (best) {  // before the checkpoint, which holds what is kept
      const auto averaged = average ? std::make_unique<typename averaged_weights<Model>::swapped>(*average) : nullptr;
      best->offer(at.epoch);
    }
    save_state();
    if (options.on_epoch) options.on_epoch(report);
  }
} catch (const memory_error& e) {
  detail::explain(e, net, *data[0], method, optimizer, average ? &average->options() : nullptr, options.micro_batch);
}

namespace detail {
/// One short message where a method or an optimizer is none, in place of what all the overloads have to say.
template <class Model, class Method, class Optimizer>
constexpr bool fits() {
  static_assert(training_method<Method, Model>, "fit: this is no training method; see training_method");
  static_assert(optimizer_policy<Optimizer, Model>, "fit: this is no optimizer; see optimizer_policy");
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
