// What an optimizer offers to the training loop, and what the ones here have in common.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/number_text.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/device/arena.hpp>
#include <advprop/training/layer_rates.hpp>

namespace advprop {

namespace detail {
template <class Optimizer, class Model>
using state_of = typename Optimizer::template state<Model>;
}

/// An optimizer is its options; `state<Model>` is the optimizer at work on one model. `description()` names all that
/// decides the bits of a run. One that keeps tensors as they are may say so to the model (`model::learning`). A
/// checkpoint keeps the state's `updates` and, under the names of `slots`, the numbers of each `slot(i)`, which lie in
/// the device's memory and whose count never changes. A state may have a constant `queued`: true when `step` waits for
/// nothing and `update_guard` holds back all it does, which all here have. Then a GPU gets the step without a pause
/// behind the gradients.
template <class O, class Model>
concept optimizer_policy = requires(const O& optimizer, Model& net, detail::state_of<O, Model>& state, double factor) {
  detail::state_of<O, Model>(optimizer, net);
  state.step(factor);
  { std::as_const(state).slot(0) } -> std::same_as<std::span<float>>;
  { state.slots[0] } -> std::convertible_to<const char*>;
  { state.updates } -> std::same_as<std::int64_t&>;
  { optimizer.description() } -> std::same_as<std::string>;
  { optimizer.learning_rate } -> std::convertible_to<double>;
};

/// What weight decay applies to.
enum class decay_rule {
  weights,             ///< of convolutions and linear layers ("no bias decay", He et al. 2019, section 3.1)
  weights_and_biases,  ///< all that is not a batch norm's: TensorFlow's EfficientNet trainer
  all                  ///< scales and shifts, too: PyTorch's optimizers over all of a model's parameters
};

/// One option of an optimizer, for its description and its errors: flags and enumerators as numbers.
struct optimizer_option {
  const char* name;
  float value;
  enum range { any, not_negative, above_zero, below_one } allowed = any;
};

/// "lion learning_rate 0.001 ...", which `optimizer_policy` asks for.
ADVPROP_API std::string optimizer_description(const char* optimizer, std::span<const optimizer_option> options,
                                              std::span<const layer_rate> rates);

namespace detail {
ADVPROP_API void check_options(const char* optimizer, std::span<const optimizer_option> options);
}

/// What the optimizers here have in common, and one of your own may have: `Slots` arrays beside the model's block of
/// learnt numbers, in its order and all 0 at first; which layers learn, at what rate, and what decays. examples/
/// custom_optimizer.cpp makes one of it.
template <class Model, int Slots>
class optimizer_state {
 public:
  std::int64_t updates = 0;

  optimizer_state(const optimizer_state&) = delete;  // it would be at work on the same numbers
  optimizer_state& operator=(const optimizer_state&) = delete;

  std::span<float> slot(int i) const {
    return {static_cast<float*>(slots_[static_cast<std::size_t>(i)].data()), net_->values().size()};
  }

 protected:
  /// Throws `argument_error` for an option out of range, and as `layer_rate` says.
  optimizer_state(Model& net, const char* optimizer, std::span<const optimizer_option> options, decay_rule rule,
                  std::span<const layer_rate> rates)
      : net_(&net) {
    net.gradients();  // have memory before a step is captured
    detail::check_options(optimizer, options);
    const std::size_t decayed = rule == decay_rule::all       ? net.values().size()
                                : rule == decay_rule::weights ? net.decayed()
                                                              : net.decayed() + net.biases();
    parts_ = detail::learnt_parts(optimizer, net.table(), decayed, rates);
    learning_ = net.learning(detail::changed_tensors(net.table(), rates));
    for (int i = 0; i < Slots; ++i) {
      slots_[static_cast<std::size_t>(i)] = net.device().memory().allocate(net.values().size() * sizeof(float));
      fill(net.device(), 0.f, slot(i));
    }
  }

  auto& device() const { return net_->device(); }

  /// Has the update scale the gradients so that their common L2 length is at most `clip_norm`; 0: no clipping.
  template <class Spec>
  void clip(Spec& spec, float clip_norm) {
    if (!(clip_norm > 0)) return;
    for (const detail::learnt_part& p : parts_)
      if (p.rate == 0) fill(device(), 0.f, net_->gradients().subspan(p.first, p.count));
    if constexpr (requires(float* factor) { clip_factor(device(), net_->gradients(), clip_norm, factor); }) {
      if (!factor_) factor_ = device().memory().allocate(sizeof(float));
      auto* factor = static_cast<float*>(factor_.data());
      clip_factor(device(), net_->gradients(), clip_norm, factor);
      spec.device_scale = factor;
    } else {
      const double length = std::sqrt(squared_norm(device(), net_->gradients()));
      spec.gradient_scale = static_cast<float>(std::fmin(1.0, double{clip_norm} / (length + 1e-6)));
    }
  }

  /// update(rate, decay, values, gradients, slots...) for each part of the learnt numbers that learns: a factor of the
  /// learning rate, and `weight_decay` or 0.
  template <class Update>
  void for_parts(float weight_decay, Update&& update) const {
    const auto call = [&]<std::size_t... I>(std::index_sequence<I...>, const detail::learnt_part& p) {
      update(p.rate, p.decays ? weight_decay : 0, net_->values().subspan(p.first, p.count),
             net_->gradients().subspan(p.first, p.count), slot(static_cast<int>(I)).subspan(p.first, p.count)...);
    };
    for (const detail::learnt_part& p : parts_)
      if (p.rate > 0) call(std::make_index_sequence<static_cast<std::size_t>(Slots)>(), p);
  }

  /// x[i] = f(x[i], a[i], b[i]) of spans of one size, as `transform` does over images: on CUDA, f is to be a struct
  /// whose operator() is ADVPROP_HD (nvcc takes no lambda inside a generic one), compiled by nvcc. No guard holds it
  /// back, so an optimizer of these is not `queued`.
  template <class F>
  void transform_numbers(std::span<float> x, std::span<const float> a, std::span<const float> b, F f) const {
    constexpr std::size_t most = 1 << 30;  // numbers that an extent counts
    for (std::size_t first = 0; first < x.size(); first += most) {
      const std::array line{1, 1, 1, static_cast<int>(std::min(most, x.size() - first))};
      transform(device(), image_view(x.data() + first, line), const_image_view(a.data() + first, line),
                const_image_view(b.data() + first, line), f);
    }
    if constexpr (requires { device().changed(x); }) device().changed(x);
  }

 private:
  Model* net_;
  std::vector<detail::learnt_part> parts_;
  learning_claim learning_;
  std::array<arena::block, static_cast<std::size_t>(Slots)> slots_;
  arena::block factor_;  // of clipped gradients, on a device that computes it without the host
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/training/optimizer.inl>
#endif
