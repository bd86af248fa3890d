// The training loop: epochs of steps, a schedule, checkpoints that resume to the same bits.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <advprop/core/unit_interval.hpp>
#include <advprop/data/loader.hpp>
#include <advprop/device/repeated.hpp>
#include <advprop/io/checkpoint.hpp>
#include <advprop/layers/map_sizes.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/best_weights.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/plan.hpp>
#include <advprop/training/schedule.hpp>

namespace advprop {

/// After each step; where steps are queued, when its losses are known.
struct step_report {
  int epoch = 0;  ///< from 0
  int epochs = 0;
  int step = 0;  ///< of the epoch, from 1
  int steps = 0;
  step_metrics metrics;  ///< of the epoch so far
  double learning_rate = 0;
  double seconds = 0;  ///< of this step, or since the report before
  int images = 0;      ///< of this step's main stream
};

/// After each epoch.
struct epoch_report {
  int epoch = 0;
  step_metrics metrics;
  double learning_rate = 0;
  double seconds = 0;
  long images = 0;  ///< of the main stream
};

struct fit_options {
  int epochs = 30;
  int batch = 0;  ///< of the loader that `fit` makes of a data set; 0: 128
  /// For batches that are too large for the memory: how many images of a domain go through the network at a time, at
  /// most; 0: the whole batch. Their gradients are added up to that of the batch's mean losses, then the optimizer
  /// makes one step. Batch norms see one such micro-batch at a time, as where PyTorch accumulates gradients ("ghost
  /// batch norm"), and running statistics learn from each.
  int micro_batch = 0;
  advprop::schedule schedule = advprop::schedule::cosine();
  float label_smoothing = 0;
  advprop::seed seed{0};
  std::string checkpoint{};  ///< where the training state goes; empty: nowhere
  int checkpoint_steps = 0;  ///< also after every so many steps; 0: after each epoch only
  bool resume = false;       ///< go on from `checkpoint` if the file is there
  /// What must be the same when a run is resumed, besides what `fit` compares itself (data, optimizer, schedule, seed):
  /// the method and its attack, which it cannot.
  std::string run{};
  /// A GPU is given the next step before the losses of the present one are read, so an `on_step` there sees the model
  /// as it is a step later. False: no step is queued before the last one was reported.
  bool queue_ahead = true;
  std::function<void(const step_report&)> on_step{};
  std::function<void(const epoch_report&)> on_epoch{};
};

namespace detail {

/// Where a run is. Everything random follows from the seed and `step`, so this, the model and the optimizer are all.
struct run_position {
  std::int64_t step = 0;  // of the whole run
  int epoch = 0, step_of_epoch = 0;
  step_metrics metrics;  // of the epoch so far
  double seconds = 0;
};

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

[[gnu::cold]] inline std::string run_fingerprint(const fit_options& o, std::span<loader* const> data,
                                                 const std::string& optimizer, const average_options* average,
                                                 bool keeps_best) {
  std::string s = o.run + "; epochs " + std::to_string(o.epochs) + "; seed " + std::to_string(o.seed.value) +
                  "; smoothing " + shortest(o.label_smoothing) + "; schedule " + o.schedule.description() + "; " +
                  optimizer;
  if (o.micro_batch != 0) s += "; micro-batch " + std::to_string(o.micro_batch);
  if (average) s += "; average " + shortest(average->decay) + (average->warm_up ? " warm-up" : "");
  if (keeps_best) s += "; best epoch";
  for (const loader* l : data) {
    const loader_options& own = l->options();
    s += "; batch " + std::to_string(own.batch) + " of " + std::to_string(l->batches()) + " seed " +
         std::to_string(own.seed.value);
    if (own.augment_stream != 0) s += " stream " + std::to_string(own.augment_stream);
    if (!own.shuffle) s += " in order";
  }
  return s;
}

/// What an error adds where there is something to go back to.
[[gnu::cold]] inline std::string last_good_state(const fit_options& o) {
  if (o.checkpoint.empty() || !file_exists(o.checkpoint)) return {};
  return "; the last good state is in " + o.checkpoint;
}

/// The arrays that a checkpoint keeps besides the model.
template <class Model, class State>
std::vector<std::pair<std::string, std::span<float>>> training_arrays(const State& optimizer,
                                                                      const averaged_weights<Model>* average) {
  std::vector<std::pair<std::string, std::span<float>>> list;
  for (const char* name : State::slots)
    list.emplace_back(std::string("training.") + name, optimizer.slot(static_cast<int>(list.size())));
  if (average) {
    list.emplace_back("average.values", average->values());
    list.emplace_back("average.running", average->running());
  }
  return list;
}

template <class Model, class State>
[[gnu::cold]] void write_training(const std::string& path, Model& net, const State& optimizer,
                                  const averaged_weights<Model>* average, const best_weights<Model>* best,
                                  const run_position& at, std::span<loader* const> data,
                                  const std::string& fingerprint) {
  archive_writer out;
  write_model(out, net, [](const parameter& p) { return p.name; });
  for (const auto& [name, numbers] : training_arrays(optimizer, average)) {
    std::vector<float> host(numbers.size());
    memory_copy(net.device(), numbers, host);
    out.add(name, {static_cast<std::int64_t>(host.size())}, std::move(host));
  }
  out.put("updates", optimizer.updates);
  if (average) out.put("average.updates", average->updates);
  if (best) {
    out.put("best.epoch", best->epoch);
    out.put("best.score", best->score);
    for (std::size_t set = 0; set < best->tracked.size(); ++set)
      out.put("best.tracked" + std::to_string(set), best->tracked[set]);
    for (const auto& [name, numbers] : {std::pair("best.values", &best->values), {"best.running", &best->running}})
      out.add(name, {static_cast<std::int64_t>(numbers->size())}, std::vector<float>(*numbers));
  }
  out.put("run", std::string_view(fingerprint));
  out.put("step", at.step);
  out.put("epoch", at.epoch);
  out.put("step_of_epoch", at.step_of_epoch);
  out.put("seconds", at.seconds);
  out.put("parts", at.metrics.count);
  for (int i = 0; i < at.metrics.count; ++i) {
    const tally& t = at.metrics.parts[static_cast<std::size_t>(i)];
    const std::string key = "part" + std::to_string(i);
    out.put(key + ".loss", t.loss_sum);
    out.put(key + ".images", t.images);
    out.put(key + ".correct", t.correct);
    out.put(key + ".correct5", t.correct5);
  }
  for (std::size_t i = 0; i < data.size(); ++i) {
    const loader_state s = data[i]->state();
    out.put("loader" + std::to_string(i) + ".epoch", s.epoch);
    out.put("loader" + std::to_string(i) + ".batch", s.batch);
  }
  out.write(path);
}

template <class Model, class State>
[[gnu::cold]] run_position read_training(const std::string& path, Model& net, State& optimizer,
                                         averaged_weights<Model>* average, best_weights<Model>* best,
                                         std::span<loader* const> data, const std::string& fingerprint) {
  const archive in = archive::read(path);
  if (const auto run = in.get<std::string>("run"); run != fingerprint)
    fail<file_error>(path, ": is the checkpoint of another run (\"", run, "\", this one is \"", fingerprint, "\")");
  run_position at;
  at.step = in.get<std::int64_t>("step");
  at.epoch = in.get<int>("epoch");
  at.step_of_epoch = in.get<int>("step_of_epoch");
  at.seconds = in.get<double>("seconds");
  at.metrics.count = in.get<int>("parts");
  if (at.metrics.count < 0 || at.metrics.count > routing::limit)
    fail<file_error>(path, ": key 'parts' is out of range");
  for (int i = 0; i < at.metrics.count; ++i) {
    tally& t = at.metrics.parts[static_cast<std::size_t>(i)];
    const std::string key = "part" + std::to_string(i);
    t.loss_sum = in.get<double>(key + ".loss");
    t.images = in.get<long>(key + ".images");
    t.correct = in.get<long>(key + ".correct");
    t.correct5 = in.get<long>(key + ".correct5");
  }
  std::vector<loader_state> states;
  for (std::size_t i = 0; i < data.size(); ++i)
    states.push_back({in.get<std::int64_t>("loader" + std::to_string(i) + ".epoch"),
                      in.get<int>("loader" + std::to_string(i) + ".batch")});
  const auto updates = in.get<std::int64_t>("updates");
  const auto averaged = average ? in.get<std::int64_t>("average.updates") : 0;
  const auto arrays = training_arrays(optimizer, average);
  std::vector<std::vector<float>> host;
  for (const auto& [name, numbers] : arrays) in.copy_floats(name, host.emplace_back(numbers.size()));
  if (best) {
    best->epoch = in.get<int>("best.epoch");
    best->score = in.get<double>("best.score");
    for (std::size_t set = 0; set < best->tracked.size(); ++set)
      best->tracked[set] = in.get<std::int64_t>("best.tracked" + std::to_string(set));
    in.copy_floats("best.values", best->values);
    in.copy_floats("best.running", best->running);
  }
  read_model(in, net, true);
  for (std::size_t i = 0; i < arrays.size(); ++i)
    memory_copy(net.device(), std::span<const float>(host[i]), arrays[i].second);
  optimizer.updates = updates;
  if (average) average->updates = averaged;
  for (std::size_t i = 0; i < data.size(); ++i) data[i]->seek(states[i]);
  return at;
}

/// Throws `argument_error` where a loader's last batch is too small for the method, as where a batch norm would see one
/// value per channel.
template <class Model, class Method>
[[gnu::cold]] void check_last_batches(std::span<loader* const> data, const Method& method, int micro_batch) {
  if constexpr (tells_smallest_pass<Method>) {
    std::vector<int> whole;
    for (const loader* l : data) whole.push_back(l->options().batch);
    for (std::size_t i = 0; i < data.size(); ++i) {
      const loader& l = *data[i];
      std::vector<int> images = whole;
      images[i] = l.images() - (l.batches() - 1) * l.options().batch;
      if (images[i] == whole[i]) continue;
      const auto refuse = [&](const auto&... why) {
        fail<argument_error>("fit: an epoch's last batch has ", images[i], images[i] == 1 ? " image" : " images",
                             why..., "; the loader's drop_last leaves it out");
      };
      int pass = 0;
      try {
        pass = method.smallest_pass(images, micro_batch);
      } catch (const argument_error& e) {
        refuse(": ", e.what());
      }
      const shape image{Model::channels, l.image().height, l.image().width};
      if (pass == 1 && smallest_norm<typename Model::network_type>(image) == 1)
        refuse(", and of the network's maps of one pixel a batch norm would be given one value per channel");
    }
  }
}

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
  if (options.epochs < 1) fail<argument_error>("fit: epochs is ", options.epochs, ", must be 1 or more");
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1))
    fail<argument_error>("fit: label_smoothing is ", options.label_smoothing, ", must be in [0, 1)");
  if (options.checkpoint_steps < 0)
    fail<argument_error>("fit: checkpoint_steps is ", options.checkpoint_steps, ", must be 0 or more");
  if (options.resume && options.checkpoint.empty()) fail<argument_error>("fit: resume needs the path of a checkpoint");
  for (std::size_t i = 0; i < data.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (data[i] == data[j]) fail<argument_error>("fit: data streams ", j, " and ", i, " are one loader");
  // One too many is a domain that was to have images of its own and reads the main ones.
  if (static_cast<int>(data.size()) != method.streams())
    fail<argument_error>("fit: the method reads ", method.streams(), " data streams, ", data.size(), " were given",
                         data.size() > 1 ? "; auxiliary[k].stream says which of them domain k reads" : "");
  if (options.batch != 0 && options.batch != data[0]->options().batch)
    fail<argument_error>("fit: batch is ", options.batch, ", but the loader makes batches of ",
                         data[0]->options().batch);
  if (average && !average->follows(net))
    fail<argument_error>("fit: the average is another model's, or the model holds the average");
  if (best && !best->follows(net)) fail<argument_error>("fit: the best weights are to be another model's");
  if (options.micro_batch < 0) fail<argument_error>("fit: micro_batch is ", options.micro_batch, ", must be 0 or more");
  if (options.micro_batch > 0 && !takes_micro_batches<Method>)
    fail<argument_error>("fit: micro_batch is ", options.micro_batch,
                         ", but the method takes whole batches; see training_method");
  options.schedule.check();
  detail::check_last_batches<Model>(data, method, options.micro_batch);

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
