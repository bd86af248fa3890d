// What a run of `fit` has of a GPU before its first step: memory, and the libraries' plans; and what is said where the
// memory is too little.
#pragma once

#include <cstddef>
#include <string>

#include <advprop/data/loader.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/method.hpp>
#include <advprop/training/plan.hpp>

namespace advprop::detail {

inline plan_options plan_options_of(const loader& data, const average_options* average, int micro_batch) {
  return {data.options().batch, data.image().height, data.image().width, micro_batch, average};
}

/// Where a device tells how much of its memory is free, a step's is taken at once: taken bit by bit it would be more,
/// as a block does not lie in two slabs. What its libraries compile for steps, an epoch's last one too, is compiled.
template <class Model, class Method, class Optimizer>
void prepare_steps(Model& net, const loader& data, const Method& method, const Optimizer& optimizer,
                   const average_options* average, int micro_batch) {
  auto& device = net.device();
  if constexpr (requires { device.free_memory(); }) {
    typename Model::device_type dry(dry_run{}, device);
    Model twin(dry);
    plan_options step = plan_options_of(data, average, micro_batch);
    const int last = data.images() % step.batch;
    arena& memory = device.memory();
    const std::size_t peak = plan_training(twin, method, optimizer, step).peak;
    if (peak > memory.reserved()) {
      if (peak - memory.in_use() > device.free_memory()) return;  // the first step says so
      memory.reserve(peak - memory.in_use());
    }
    if (last != 0) {
      step.batch = last;
      plan_training(twin, method, optimizer, step);
    }
    device.prepare(dry);
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
    typename Model::device_type dry(dry_run{}, device);
    Model twin(dry);
    const work_plan plan = plan_training(twin, method, optimizer, plan_options_of(data, average, micro_batch));
    const std::string way = micro_batch > 0 ? " in micro-batches of " + std::to_string(micro_batch) : "";
    plan_options wanted = plan_options_of(data, average, 0);
    const int fits = fitting_batch<Model>(device, there, method, optimizer, wanted);
    std::string remedy = "a batch of " + std::to_string(fits) + " fits";
    if constexpr (takes_micro_batches<Method>)
      if (wanted.micro_batch = fits;
          const int part = fits > 0 ? fitting_micro_batch<Model>(device, there, method, optimizer, wanted) : 0)
        remedy += ", or micro-batches of " + std::to_string(part);
    fail<memory_error>(e.what(), "; a step on ", batch, " images", way, " takes ", plan.reserved >> 20,
                       " MiB and up to ", plan.library_workspace >> 20, " MiB of workspace, where there are ",
                       there >> 20, " MiB: ", remedy);
  }
  throw;
}

}  // namespace advprop::detail
