// The memory and the work of a training step or an evaluation pass, before it is run.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <advprop/attacks/none.hpp>
#include <advprop/device/repeated.hpp>
#include <advprop/device/work.hpp>
#include <advprop/domains/pass.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/evaluate.hpp>
#include <advprop/training/method.hpp>

namespace advprop {

/// What a dry run found. Bytes are the device's; batches of images wait in the host's memory.
struct work_plan {
  std::size_t parameters = 0;  ///< learnt numbers, their gradients where there are any, running statistics
  std::size_t peak = 0;        ///< most bytes in use at one time, parameters included
  std::size_t reserved = 0;    ///< bytes taken from the system for that
  /// The most that a library may take besides, which is known on the device only.
  std::size_t library_workspace = 0;
  std::vector<work_item> items;  ///< of one step

  /// Bytes that the device must have.
  std::size_t needed() const { return reserved + library_workspace; }
};

namespace detail {

/// The layer whose number lies at `at`, in the values or in their gradients; empty where none does.
template <class Model>
std::string layer_at(const Model& net, const float* at) {
  if (!at) return {};
  for (const parameter& p : net.table())
    if (p.role != role::mean && p.role != role::variance && (net[p].data() == at || net.gradient(p).data() == at)) {
      std::string name = p.name.substr(0, p.name.rfind('.'));
      if (p.set != 0) name = name.substr(0, name.rfind(".aux_bn."));
      return name;
    }
  return {};
}

/// Runs `step` on the model's dry device and gathers what it would do.
template <class Model, class Step>
work_plan dry_run_of(Model& net, Step&& step) {
  auto& device = net.device();
  if (!device.dry()) fail<argument_error>("plan: the model's device is not one for a dry run");
  device.work() = {};
  device.memory().reset_peak();
  // Twice: what a device keeps for the next step, as packed weights, is there all through the second.
  for (int i = 0; i < 2; ++i) {
    device.work().items.clear();
    step();
  }
  work_plan plan;
  plan.parameters =
      (net.values().size() + std::as_const(net).gradients().size() + net.running().size()) * sizeof(float);
  plan.peak = std::max(device.work().peak, device.memory().peak());
  plan.reserved = device.memory().reserved();
  plan.library_workspace = device.work().library_workspace;
  plan.items = std::move(device.work().items);
  for (work_item& i : plan.items) i.layer = layer_at(net, i.parameter);
  return plan;
}

}  // namespace detail

/// The step that is planned.
struct plan_options {
  int batch = 128;  ///< images of every data stream of the method
  int height = 0, width = 0;
  int micro_batch = 0;                       ///< as `fit_options::micro_batch`
  const average_options* average = nullptr;  ///< of a moving average, where there is one
};

/// A training step as `fit` makes it, with the optimizer's numbers and those of the moving average. `net` lives on a
/// dry device, `cpu(dry_run{})` or `cuda(dry_run{})`. Throws `argument_error` for sizes that are not positive, and what
/// a step throws.
template <class Model, training_method<Model> Method, class Optimizer>
work_plan plan_training(Model& net, const Method& method, const Optimizer& optimizer, const plan_options& options) {
  const auto& [batch, height, width, micro_batch, average] = options;
  if (batch < 1 || height < 1 || width < 1 || micro_batch < 0)
    fail<argument_error>("plan_training: batch, height and width must be positive, micro_batch not negative");
  typename Optimizer::template state<Model> state(optimizer, net);
  std::optional<averaged_weights<Model>> averaged;
  if (average) averaged.emplace(net, *average);
  const detail::planned_images images({batch, height, width, Model::channels});
  std::vector<labelled_images> streams(static_cast<std::size_t>(method.streams()), {images.images, images.labels});
  update_guard<typename Model::device_type> guard(net.device());
  std::deque<staging<typename Model::device_type>> staged;
  for (std::size_t i = 0; i < streams.size(); ++i) staged.emplace_back(net.device());
  return detail::dry_run_of(net, [&] {
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const auto pixels = staged[i].bring({images.images.data(), static_cast<std::size_t>(images.images.size())});
      streams[i].images = {pixels.data(), images.images.extents()};
    }
    net.zero_gradients();
    method.gradients(net, streams, {.micro_batch = options.micro_batch});
    state.step(1);
    if (averaged) averaged->update();
  });
}

/// What `evaluate` does with a batch, under an attack where there is one. Throws as `plan_training`.
template <class Model, attack_policy Attack = attack::none>
work_plan plan_evaluation(Model& net, int batch, int height, int width, const Attack& attack = {}) {
  if (batch < 1 || height < 1 || width < 1)
    fail<argument_error>("plan_evaluation: batch, height and width must be positive");
  const detail::planned_images images({batch, height, width, Model::channels});
  return detail::dry_run_of(net, [&] { detail::dry_evaluation(net, images, attack); });
}

namespace detail {

/// The largest of 1 .. most for which steps that set(options, it) asks for need no more than `bytes`; else 0.
template <class Model, class Method, class Optimizer, class Set>
int largest_fitting(const typename Model::device_type& device, std::size_t bytes, const Method& method,
                    const Optimizer& optimizer, int most, const plan_options& options, Set&& set) {
  const auto fits = [&](int images) {
    typename Model::device_type dry(dry_run{}, device);
    Model net(dry);
    plan_options tried = options;
    set(tried, images);
    return plan_training(net, method, optimizer, tried).needed() <= bytes;
  };
  int good = 0, bad = most + 1;
  while (bad - good > 1) {
    const int middle = good + (bad - good) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return good;
}

}  // namespace detail

/// The largest batch, up to that of the options, of which a training step needs no more than `bytes` of a device like
/// this one; 0 where one image needs more. Found by a few dry runs.
template <class Model, training_method<Model> Method, class Optimizer>
int fitting_batch(const typename Model::device_type& device, std::size_t bytes, const Method& method,
                  const Optimizer& optimizer, const plan_options& options) {
  return detail::largest_fitting<Model>(device, bytes, method, optimizer, options.batch, options,
                                        [](plan_options& o, int images) { o.batch = images; });
}

/// The same for the largest micro-batch of the options' whole batch.
template <class Model, training_method<Model> Method, class Optimizer>
int fitting_micro_batch(const typename Model::device_type& device, std::size_t bytes, const Method& method,
                        const Optimizer& optimizer, const plan_options& options) {
  const int most = options.micro_batch > 0 ? options.micro_batch : options.batch;
  return detail::largest_fitting<Model>(device, bytes, method, optimizer, most, options,
                                        [](plan_options& o, int images) { o.micro_batch = images; });
}

}  // namespace advprop
