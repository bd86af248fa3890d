// A model of any network and any number of domains, behind one interface: nothing else here is a template.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/core/tensor.hpp>

#include <advprop/ops/cpu.hpp>

#include <advprop/data/loader.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/training/evaluate.hpp>
#include <advprop/training/fit.hpp>
#include <advprop/training/plan.hpp>

#include "attack.hpp"
#include "device.hpp"
#include "image_source.hpp"
#include "method.hpp"
#include "optimizer.hpp"
#include "runner_options.hpp"
#include "target.hpp"

namespace advprop::program {

/// What the parts of a run will take.
struct run_plan {
  work_plan training;    ///< a step
  work_plan evaluation;  ///< of a batch of test images, while it is trained
  work_plan attacked;    ///< of a batch after training, attacked

  std::size_t peak() const { return std::max({training.peak, evaluation.peak, attacked.peak}); }
};

/// Domain 0 is main, k the auxiliary domain k-1; all throw `argument_error` for a domain that there is not.
class runner {
 public:
  virtual ~runner() = default;
  virtual std::int64_t parameters() const = 0;
  virtual int domains() const = 0;
  /// What `step_metrics::parts` counts under that method.
  virtual std::vector<std::string> part_names(const chosen_method& method) const = 0;

  /// With an `average` (the decay of a moving average of the weights; 0: none), all that follows is the average's. With
  /// a `score` of each epoch's end, all that follows is of the epoch with the highest, and training ends when
  /// `patience` epochs in a row were no better (0: when it is complete). Returns that epoch, from 1.
  virtual int fit(std::span<loader* const> data, const chosen_method& method, const chosen_optimizer& optimizer,
                  const fit_options& options, double average, const std::function<double()>& score, int patience) = 0;
  virtual evaluation evaluate(const image_source& data, int domain, int images, seed s,
                              const chosen_attack& attack) = 0;
  virtual void perturb(image_view images, const_label_view labels, int domain, random_stream rng,
                       const chosen_attack& attack) = 0;
  /// Images x classes.
  virtual tensor<float, 2> logits(const_image_view images, int domain) = 0;
  virtual tensor<float, 2> probabilities(const_image_view images, int domain) = 0;
  /// What evaluation looks at and attacks. Where there is an average, nothing else may be asked while it lives.
  virtual std::unique_ptr<any_target> target(int domain) = 0;

  /// Of a network on a dry device: with batches of `batch` images that are `size` pixels high and wide; those of
  /// training in micro-batches, unless `micro_batch` is 0.
  virtual run_plan plan(const chosen_method& method, const chosen_optimizer& optimizer, double average, int size,
                        int batch, int micro_batch, int evaluated, int attacked) = 0;

  /// Of an evaluation alone.
  virtual work_plan plan_evaluation(int batch, int size) = 0;

  virtual load_report load(const std::string& path, const load_options& options = {}) = 0;
  virtual void save(const std::string& path, const save_options& options = {}) = 0;
  /// An ordinary network with the batch norms of one domain.
  virtual void save_domain(const std::string& path, int domain, const save_options& options = {}) = 0;
  virtual void export_onnx(const std::string& path, int domain, int image_size, bool fold) = 0;
};

/// Throws `argument_error` naming what the program was built with, where that lacks what is asked for.
std::unique_ptr<runner> make_runner(any_device& device, const runner_options& options);

}  // namespace advprop::program
