// The weights of the epoch that served best, kept while training goes on.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>

namespace advprop {

/// Keeps, in the host's memory, all that the model has learnt and its running statistics at the end of the epoch whose
/// score is highest; of equal scores the first. Score by images that are neither trained on nor reported: choosing an
/// epoch by its test accuracy makes that accuracy too good, as any choice among noisy numbers takes the luckiest. Where
/// `fit` has an average, it is what the model holds while it is scored, and what is kept. The model must outlive it.
///
///   const auto parts = hold_out(all, 5000);
///   best_weights best(net, [&] { return evaluate(net, parts.validation).total.accuracy(); });
///   fit(net, parts.training, method, sgd{}, {.epochs = 30}, nullptr, &best);
///   best.restore();  // `net` is as it was after epoch best.epoch
///
/// With `patience`, `fit` ends when that many epochs in a row were no better. That decides no bit of any epoch, so a
/// run may be resumed with more patience.
template <class Model>
class best_weights {
 public:
  int epoch = 0;     ///< from 1; 0: none was scored yet
  double score = 0;  ///< of that epoch

  /// `measure` scores the model as it is: the higher, the better. Throws `argument_error` for negative patience; 0: all
  /// epochs are trained.
  best_weights(Model& net, std::function<double()> measure, int patience = 0)
      : values(net.values().size()),
        running(net.running().size()),
        net_(&net),
        measure_(std::move(measure)),
        patience_(patience) {
    if (patience < 0) fail<argument_error>("best_weights: patience is ", patience, ", must be 0 or more");
  }
  best_weights(const best_weights&) = delete;
  best_weights& operator=(const best_weights&) = delete;

  /// A run begins anew: what another one scored does not count.
  void begin() {
    epoch = 0;
    score = 0;
  }
  /// At the end of epoch `ended`, from 1. Throws `numeric_error` where its score is not a number.
  void offer(int ended) {
    const double now = measure_();
    if (std::isnan(now)) fail<numeric_error>("best_weights: the score of epoch ", ended, " is not a number");
    if (epoch > 0 && !(now > score)) return;
    epoch = ended;
    score = now;
    memory_copy(net_->device(), net_->values(), values);
    memory_copy(net_->device(), net_->running(), running);
    for (int set = 0; std::int64_t & batches : tracked) batches = std::as_const(*net_).batches_tracked(set++);
  }

  /// Whether patience is at its end after epoch `ended`, from 1.
  bool exhausted(int ended) const { return patience_ > 0 && epoch > 0 && ended - epoch >= patience_; }

  /// Gives the model what was kept. Throws `argument_error` where nothing was.
  void restore() const {
    if (epoch == 0) fail<argument_error>("best_weights: no epoch was scored yet");
    memory_copy(net_->device(), values, net_->values());
    memory_copy(net_->device(), running, net_->running());
    for (int set = 0; const std::int64_t batches : tracked) net_->batches_tracked(set++) = batches;
  }

  bool follows(const Model& net) const { return net_ == &net; }

  /// What is kept, in the order of the model's blocks; checkpoints hold it.
  std::vector<float> values, running;
  std::array<std::int64_t, static_cast<std::size_t>(Model::domains_type::statistic_sets)> tracked{};

 private:
  Model* net_;
  std::function<double()> measure_;
  int patience_;
};

}  // namespace advprop
