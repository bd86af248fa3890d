// The learnable numbers and running statistics of a model: few flat blocks, and a table of names into them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/device/arena.hpp>
#include <advprop/domains/domain.hpp>
#include <advprop/layers/learning.hpp>

namespace advprop {

/// How a parameter starts: `spread` is a standard deviation (normal), a bound (uniform) or the value (constant).
struct initial {
  enum kind { constant, normal, uniform } rule = constant;
  float spread = 0;
};

/// What a named tensor is. Weights alone are decayed; statistics are not learnt.
enum class role { weight, bias, scale, shift, mean, variance };

/// One named tensor of a model. `set` counts the copies that domains own: 0 is main, k the auxiliary set k-1.
struct parameter {
  std::string name;  // PyTorch's spelling: "layer1.0.bn1.weight", auxiliary "layer1.0.bn1.aux_bn.0.weight"
  advprop::role role;
  int set;
  std::vector<std::int64_t> shape;
  std::size_t offset, count;  // in the learnt block, or for mean and variance in the statistics block
  initial start;
  int place = 0;               // of its layer, in the network's order
  bool closes_branch = false;  // the scale of a residual branch's last batch norm, which may start at zero
};

/// "a", "b" -> "a.b"; "" joins nothing.
[[gnu::cold]] ADVPROP_API std::string join(const std::string& prefix, const std::string& name);

/// "layer1.0.bn1", 1 -> "layer1.0.bn1.aux_bn.0": a batch norm's name in set `set`; set 0 is main.
[[gnu::cold]] ADVPROP_API std::string norm_name(const std::string& name, int set);

/// The same of one of its tensors: "layer1.0.bn1.weight", 1 -> "layer1.0.bn1.aux_bn.0.weight".
[[gnu::cold]] ADVPROP_API std::string norm_tensor_name(const std::string& main, int set);

/// The number that each parameter starts with. `zero_last_scale`: of one that closes a residual branch, 0.
[[gnu::cold]] ADVPROP_API void start_values(const parameter& p, random_stream r, bool zero_last_scale,
                                            std::vector<float>& values);

/// Hands out places in the blocks while the layers of a network are set up, in the network's order.
class registry {
 public:
  std::size_t weight(const std::string& name, std::vector<std::int64_t> shape, initial start);
  std::size_t bias(const std::string& name, std::vector<std::int64_t> shape, initial start);
  /// The place of a batch norm's channels within each set. `closes_branch`: the last one of a residual branch.
  [[gnu::cold]] std::size_t norm(const std::string& name, int channels, bool closes_branch);
  /// The batch norm that came last closes a residual branch, though other layers follow it there.
  void close_branch() {
    if (!norms_.empty()) norms_.back().closes_branch = true;
  }
  /// The number of the next block that `stochastic_depth` counts, from 0.
  int count_block() { return blocks_++; }
  int blocks() const { return blocks_; }
  /// How many tensors there are so far, all of a batch norm counted as one: the place of the next.
  int places() const { return static_cast<int>(tensors_.size() + norms_.size()); }
  /// How many learnt numbers there are so far, in one domain's view.
  [[gnu::cold]] std::size_t numbers() const;
  /// A layer has been set up, before which there were `before` numbers: `places()`. Throws `argument_error` where it
  /// registered others than the `told` of its `parameters`: below the first layer that learns there are no gradients.
  [[gnu::cold]] int layer_ends(std::size_t before, long told, const std::string& name, int position) const;

 private:
  template <class Domains, class Device>
  friend class parameter_store;
  struct norm_entry {
    std::string name;
    std::size_t offset, channels;
    int place;
    bool closes_branch;
  };

  [[gnu::cold]] std::size_t add(std::size_t& block, const std::string& name, role r, std::vector<std::int64_t> shape,
                                initial start);

  std::vector<parameter> tensors_;
  std::vector<norm_entry> norms_;
  std::size_t weights_ = 0, biases_ = 0, norm_channels_ = 0;
  int blocks_ = 0;
};

/// Throws `argument_error` where two tensors have one name: no checkpoint could tell them apart.
[[gnu::cold]] ADVPROP_API void check_names(const std::vector<parameter>& table);

/// The blocks themselves, in the device's memory.
/// Learnt: [weights | biases | scale, shift of set 0 | of set 1 | ...], and gradients of the same layout.
/// Statistics: [mean, variance of set 0 | of set 1 | ...].
template <class Domains, class Device>
class parameter_store {
 public:
  parameter_store(Device& device, const registry& r)
      : device_(&device), weights_(r.weights_), biases_(r.biases_), channels_(r.norm_channels_) {
    learnt_ = weights_ + biases_ + 2 * channels_ * Domains::affine_sets;
    statistics_ = 2 * channels_ * Domains::statistic_sets;
    values_ = device.memory().allocate(learnt_ * sizeof(float));
    running_ = device.memory().allocate(statistics_ * sizeof(float));
    name(r);
    std::vector<detail::learning_tensors::tensor> tensors;
    for (const parameter& p : table_) tensors.push_back({p.offset, p.place, !is_statistic(p)});
    learning_ = std::make_shared<detail::learning_tensors>(std::move(tensors));
  }

  parameter_store(const parameter_store&) = delete;
  parameter_store& operator=(const parameter_store&) = delete;
  ~parameter_store() {
    if constexpr (requires { device_->forget(values()); }) device_->forget(values());
  }

  // Where a layer finds its numbers: `at` is what the registry gave it.
  float* weight(std::size_t at) const { return floats(values_) + at; }
  float* weight_gradient(std::size_t at) const { return gradients().data() + at; }
  float* bias(std::size_t at) const { return floats(values_) + weights_ + at; }
  float* bias_gradient(std::size_t at) const { return gradients().data() + weights_ + at; }
  float* scale(std::size_t at, domain d) const { return floats(values_) + affine(d) + at; }
  float* shift(std::size_t at, domain d) const { return floats(values_) + affine(d) + channels_ + at; }
  float* scale_gradient(std::size_t at, domain d) const { return gradients().data() + affine(d) + at; }
  float* shift_gradient(std::size_t at, domain d) const { return gradients().data() + affine(d) + channels_ + at; }
  float* mean(std::size_t at, domain d) const { return floats(running_) + running(d) + at; }
  float* variance(std::size_t at, domain d) const { return floats(running_) + running(d) + channels_ + at; }

  // Whether a layer's own gradients are wanted: `learning.hpp`.
  bool weight_learns(std::size_t at) const { return learning_->at(at); }
  bool bias_learns(std::size_t at) const { return learning_->at(weights_ + at); }
  bool norm_learns(std::size_t at, domain d) const {
    return learning_->at(affine(d) + at) || learning_->at(affine(d) + channels_ + at);
  }
  const std::shared_ptr<detail::learning_tensors>& learning() const { return learning_; }

  std::span<float> values() const { return {floats(values_), learnt_}; }
  bool has_gradients() const { return static_cast<bool>(gradients_); }
  /// Their memory is taken and cleared at the first call: a network that only predicts or is attacked needs none.
  std::span<float> gradients() const {
    if (!gradients_) {
      gradients_ = device_->memory().allocate(learnt_ * sizeof(float));
      fill(*device_, 0.f, std::span<float>(floats(gradients_), learnt_));
    }
    return {floats(gradients_), learnt_};
  }
  std::span<float> running() const { return {floats(running_), statistics_}; }
  /// How many of the learnt values, from the first on, are weights: those that weight decay applies to.
  std::size_t decayed() const { return weights_; }
  /// How many biases come after them.
  std::size_t biases() const { return biases_; }

  const std::vector<parameter>& table() const { return table_; }
  /// The numbers of one table entry. Throws `argument_error` for another model's, where it is beyond the end.
  std::span<float> operator[](const parameter& p) const {
    check_inside(p, is_statistic(p) ? statistics_ : learnt_);
    return {floats(is_statistic(p) ? running_ : values_) + p.offset, p.count};
  }
  /// Of one that is learnt; running means and variances have none, theirs is empty.
  std::span<float> gradient(const parameter& p) const {
    if (is_statistic(p)) return {};
    check_inside(p, learnt_);
    return gradients().subspan(p.offset, p.count);
  }

  void zero_gradients() { fill(*device_, 0.f, gradients()); }

 private:
  static bool is_statistic(const parameter& p) { return p.role == role::mean || p.role == role::variance; }
  static void check_inside(const parameter& p, std::size_t numbers) {
    if (p.offset > numbers || p.count > numbers - p.offset)
      fail<argument_error>("model: ", p.name, " is of another model's table");
  }
  static float* floats(const arena::block& b) { return static_cast<float*>(b.data()); }
  std::size_t affine(domain d) const {
    return weights_ + biases_ + 2 * channels_ * static_cast<std::size_t>(Domains::affine_set(d));
  }
  std::size_t running(domain d) const { return 2 * channels_ * static_cast<std::size_t>(Domains::statistic_set(d)); }

  [[gnu::cold]] void name(const registry& r) {
    for (parameter p : r.tensors_) {
      if (p.role == role::bias) p.offset += weights_;
      table_.push_back(std::move(p));
    }
    for (const auto& n : r.norms_)
      for (int d = 0; d < Domains::count; ++d) {
        const std::string base = norm_name(n.name, d);
        const auto add = [&](const char* leaf, role what, std::size_t offset, float start) {
          table_.push_back({join(base, leaf),
                            what,
                            d,
                            {static_cast<std::int64_t>(n.channels)},
                            offset + n.offset,
                            n.channels,
                            {initial::constant, start},
                            n.place,
                            n.closes_branch && what == role::scale});
        };
        const auto set = static_cast<std::size_t>(d);
        if (d < Domains::affine_sets) {
          add("weight", role::scale, weights_ + biases_ + 2 * channels_ * set, 1);
          add("bias", role::shift, weights_ + biases_ + 2 * channels_ * set + channels_, 0);
        }
        if (d < Domains::statistic_sets) {
          add("running_mean", role::mean, 2 * channels_ * set, 0);
          add("running_var", role::variance, 2 * channels_ * set + channels_, 1);
        }
      }
    check_names(table_);
  }

  Device* device_;
  std::size_t weights_, biases_, channels_, learnt_ = 0, statistics_ = 0;
  arena::block values_, running_;
  mutable arena::block gradients_;
  std::vector<parameter> table_;
  std::shared_ptr<detail::learning_tensors> learning_;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/layers/parameters.inl>
#endif
