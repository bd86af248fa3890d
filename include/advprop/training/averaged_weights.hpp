// An exponential moving average of a model while it trains.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include <advprop/core/error.hpp>
#include <advprop/device/arena.hpp>

namespace advprop {

struct average_options {
  double decay = 0.9999;
  bool warm_up = true;  ///< update t takes min(decay, (1 + t) / (10 + t)), as TensorFlow's `num_updates`
};

/// The moving average of all that a model learns and of its running statistics, every domain's. Starts as the model is
/// at that moment: make it after loading weights. The model must outlive it, and training does not notice it.
///
///   averaged_weights average(net, {.decay = 0.9999});
///   fit(net, batches, method, rmsprop{}, {.epochs = 350}, &average);
///   {
///     const auto swapped = average.swap();  // until it goes, `net` holds the average
///     evaluate(net, test), save(net, main_domain, "net.safetensors");
///   }
template <class Model>
class averaged_weights {
 public:
  /// How many updates are in it.
  std::int64_t updates = 0;

  explicit averaged_weights(Model& net, const average_options& options = {})
      : net_(&net), options_(options), values_(allocate(net.values())), running_(allocate(net.running())) {
    if (!(options.decay >= 0 && options.decay < 1))
      fail<argument_error>("averaged_weights: decay is ", options.decay, ", must be in [0, 1)");
    memory_copy(net.device(), net.values(), values());
    memory_copy(net.device(), net.running(), running());
  }
  averaged_weights(const averaged_weights&) = delete;
  averaged_weights& operator=(const averaged_weights&) = delete;

  /// Moves the average towards the model as it is now: after each step.
  void update() {
    if (swapped_) fail<argument_error>("averaged_weights: update while the model holds the average");
    ++updates;
    const auto t = static_cast<double>(updates);
    const double decay = options_.warm_up ? std::fmin(options_.decay, (1 + t) / (10 + t)) : options_.decay;
    const auto rate = static_cast<float>(1 - decay);
    average_update(net_->device(), rate, net_->values(), values());
    average_update(net_->device(), rate, net_->running(), running());
  }

  /// While it lives the model holds the average, and the average the model's own numbers.
  class [[nodiscard]] swapped {
   public:
    explicit swapped(averaged_weights& a) : average_(&a) { a.exchange(); }
    swapped(const swapped&) = delete;
    swapped& operator=(const swapped&) = delete;
    ~swapped() { average_->exchange(); }

   private:
    averaged_weights* average_;
  };
  swapped swap() {
    if (swapped_) fail<argument_error>("averaged_weights: the model holds the average already");
    return swapped(*this);
  }

  /// In the order of the model's blocks.
  std::span<float> values() const { return {static_cast<float*>(values_.data()), net_->values().size()}; }
  std::span<float> running() const { return {static_cast<float*>(running_.data()), net_->running().size()}; }

  const average_options& options() const { return options_; }
  /// The average is this model's, and in its place.
  bool follows(const Model& net) const { return net_ == &net && !swapped_; }

 private:
  arena::block allocate(std::span<const float> like) {
    return net_->device().memory().allocate(like.size() * sizeof(float));
  }
  void exchange() {
    memory_swap(net_->device(), net_->values(), values());
    memory_swap(net_->device(), net_->running(), running());
    swapped_ = !swapped_;
  }

  Model* net_;
  average_options options_;
  arena::block values_, running_;
  bool swapped_ = false;
};

}  // namespace advprop
