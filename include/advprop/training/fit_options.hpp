// What a run of `fit` is asked for, and what it tells.
#pragma once

#include <functional>
#include <string>

#include <advprop/core/random.hpp>
#include <advprop/training/metrics.hpp>
#include <advprop/training/schedule.hpp>

namespace advprop {

/// After each step; where steps are queued, when its losses are known.
struct step_report {
  int epoch = 0;  ///< from 1
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
  int epoch = 0;  ///< from 1
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
  int checkpoint_steps = 0;  ///< also whenever this many steps are done; 0: after each epoch only
  /// Go on from `checkpoint` if the file is there. `epochs` may be more than before where the schedule does not depend
  /// on them, as a cosine does.
  bool resume = false;
  /// What must be the same when a run is resumed, besides what `fit` compares itself: loaders, optimizer, schedule,
  /// seed, and the method with its attacks, as far as they have a `description()`. The network and its augmentation,
  /// say.
  std::string run{};
  /// A GPU is given the next step before the losses of the present one are read, so an `on_step` there sees the model
  /// as it is a step later. False: no step is queued before the last one was reported.
  bool queue_ahead = true;
  std::function<void(const step_report&)> on_step{};
  /// After the checkpoint: a run that is killed in it, and resumed, goes on with the next epoch.
  std::function<void(const epoch_report&)> on_epoch{};
};

}  // namespace advprop
