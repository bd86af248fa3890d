// What lasts from step to step in a run of `fit`.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/unit_interval.hpp>
#include <advprop/data/loader.hpp>
#include <advprop/device/repeated.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/best_weights.hpp>
#include <advprop/training/fit_options.hpp>
#include <advprop/training/method.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/run_checkpoint.hpp>

namespace advprop::detail {

/// A run of `fit`: what lasts from step to step.
template <class Model, class Method, class Optimizer>
class training_run {
 public:
  /// Goes on from a checkpoint where the options say so and there is one.
  training_run(Model& net, std::span<loader* const> data, const Method& method, const Optimizer& optimizer,
               const fit_options& options, averaged_weights<Model>* average, best_weights<Model>* best)
      : net_(net),
        data_(data),
        method_(method),
        optimizer_(optimizer),
        options_(options),
        average_(average),
        best_(best),
        state_(optimizer, net),
        fingerprint_(run_fingerprint(options, data, method_description(method), optimizer.description(),
                                     average ? &average->options() : nullptr, best, net.stochastic_depth().rate)),
        steps_(data[0]->batches()),
        streams_(data.size()),
        guard_(net.device()) {
    for (std::size_t i = 0; i < data.size(); ++i) staged_.emplace_back(net.device());
    if (options.resume && file_exists(options.checkpoint)) {
      at_ = read_training(options.checkpoint, net, state_, average, best, data, fingerprint_);
      if (at_.epoch > options.epochs)
        fail<argument_error>("fit: epochs is ", options.epochs, ", and ", options.checkpoint, " has trained ",
                             at_.epoch);
    } else {
      for (loader* l : data)
        if (l->state() != loader_state{}) l->seek({});
    }
    begun_ = at_.step;
  }

  void train() {
    while (at_.epoch < options_.epochs && !(best_ && best_->exhausted(at_.epoch))) {
      while (at_.step_of_epoch < steps_) {
        const bool save = take_step();
        if (save && at_.step_of_epoch < steps_) save_state();
      }
      end_epoch();
    }
  }

 private:
  using clock = std::chrono::steady_clock;
  using device_type = typename Model::device_type;
  using state_type = typename Optimizer::template state<Model>;
  /// Other optimizers may do what no guard holds back: they wait until the losses are known.
  static constexpr bool queues_updates = requires { requires state_type::queued; };

  /// A step whose losses the device may still be computing.
  struct step {
    int epoch = 0, number = 0, images = 0;  // both from 1, the number in the epoch
    double factor = 0, rate = 0;            // of the schedule; of learning
    clock::time_point begin{};
    step_metrics metrics{};
    long call = 0;  // of `repeated`
    // What the host has counted on, as it was before the updates.
    std::array<std::int64_t, static_cast<std::size_t>(Model::domains_type::statistic_sets)> tracked{};
    std::int64_t averaged = 0;
  };

  /// Whether a checkpoint is due after it.
  bool take_step() {
    step now{at_.epoch + 1, at_.step_of_epoch + 1};
    now.begin = clock::now();
    bring_batches();
    now.images = streams_[0].images.extent(0);
    const double epoch = at_.epoch + static_cast<double>(at_.step_of_epoch) / steps_;
    now.factor = options_.schedule.factor(epoch, options_.epochs);
    now.rate = rate_ = now.factor * double{optimizer_.learning_rate};
    const step_options how{options_.label_smoothing,
                           random_stream(options_.seed.value, 1).split(static_cast<std::uint64_t>(at_.step)),
                           options_.micro_batch, epoch};
    std::vector<int> sizes;
    for (const labelled_images& s : streams_) sizes.push_back(s.images.extent(0));
    now.call = work_[sizes].run(net_.device(), [&] {
      net_.zero_gradients();
      now.metrics = method_.gradients(net_, streams_, how);
      if (now.metrics.count != method_.parts())
        fail<argument_error>("fit: the method has ", method_.parts(), " parts, and its step has measured ",
                             now.metrics.count);
      if (queues_updates) update(now);
    });
    if (!queues_updates) {
      now.metrics.settle(net_.device(), now.call);
      update(now);
    }
    ++at_.step;
    ++at_.step_of_epoch;
    report_queued();
    const bool save = options_.checkpoint_steps > 0 && at_.step % options_.checkpoint_steps == 0;
    const bool done = now.metrics.settled();
    queued_ = now;
    if (done || !options_.queue_ahead || save || at_.step_of_epoch == steps_) report_queued();
    return save;
  }

  /// The next batch of every stream, to where the device reads it.
  void bring_batches() {
    for (std::size_t i = 0; i < data_.size(); ++i) {
      const auto& b = data_[i]->next();
      if (at_.step == begun_) check_unit_interval("fit", b.images.view());
      const auto pixels = staged_[i].bring({b.images.data(), static_cast<std::size_t>(b.images.size())});
      streams_[i] = {{pixels.data(), b.images.extents()}, b.targets()};
    }
  }

  void update(step& now) {
    for (int set = 0; std::int64_t & batches : now.tracked) batches = net_.batches_tracked(set++);
    if (average_) now.averaged = average_->updates;
    if (!now.metrics.finite()) report_queued();  // its losses may not have been, either
    refuse_unless_finite(now);
    now.metrics.watch(guard_);
    state_.step(now.factor);
    if (average_) average_->update();
  }

  /// The losses of the step that was queued last, unless they were read.
  void report_queued() {
    if (!queued_) return;
    step q = *std::exchange(queued_, std::nullopt);
    q.metrics.settle(net_.device(), q.call);
    refuse_unless_finite(q);
    at_.metrics += q.metrics;
    const double seconds = std::chrono::duration<double>(clock::now() - std::max(q.begin, reported_)).count();
    at_.seconds += seconds;
    if (options_.on_step)
      options_.on_step({q.epoch, options_.epochs, q.number, steps_, at_.metrics, q.rate, seconds, q.images});
    reported_ = clock::now();
  }

  void refuse_unless_finite(const step& q) {
    if (q.metrics.finite()) return;
    for (int set = 0; const std::int64_t batches : q.tracked) net_.batches_tracked(set++) = batches;
    if (average_) average_->updates = q.averaged;
    fail<numeric_error>("fit: the loss is not a finite number in epoch ", q.epoch, ", step ", q.number,
                        last_good_state(options_));
  }

  void end_epoch() {
    const epoch_report report{at_.epoch + 1, at_.metrics, rate_, at_.seconds, data_[0]->images()};
    ++at_.epoch;
    at_.step_of_epoch = 0;
    at_.metrics = {};
    at_.seconds = 0;
    if (best_) {  // before the checkpoint, which holds what is kept
      const auto averaged = average_ ? std::make_unique<typename averaged_weights<Model>::swapped>(*average_) : nullptr;
      best_->offer(at_.epoch);
    }
    save_state();
    if (options_.on_epoch) options_.on_epoch(report);
  }

  void save_state() {
    // A step may have left NaN weights behind a loss that was still finite: they must not replace the good state.
    for (std::span<const float> numbers : {net_.values(), net_.running()})
      if (!std::isfinite(squared_norm(net_.device(), numbers)))
        fail<numeric_error>("fit: after ", at_.step, " steps the weights or statistics are not finite",
                            last_good_state(options_));
    if (options_.checkpoint.empty()) return;
    write_training(options_.checkpoint, net_, state_, average_, best_, at_, data_, fingerprint_);
  }

  Model& net_;
  std::span<loader* const> data_;
  const Method& method_;
  const Optimizer& optimizer_;
  const fit_options& options_;
  averaged_weights<Model>* average_;
  best_weights<Model>* best_;
  state_type state_;
  std::string fingerprint_;
  run_position at_;
  std::int64_t begun_;  // at this step
  int steps_;           // of an epoch
  double rate_ = 0;
  std::vector<labelled_images> streams_;
  std::map<std::vector<int>, repeated<device_type>> work_;  // by the streams' batches: an epoch's last may be smaller
  update_guard<device_type> guard_;
  std::deque<staging<device_type>> staged_;
  std::optional<step> queued_;
  clock::time_point reported_ = clock::now();
};

}  // namespace advprop::detail
