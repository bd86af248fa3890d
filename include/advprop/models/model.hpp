// A network on a device, with its parameters, its batch-norm domains and its memory.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/domains/pass.hpp>
#include <advprop/layers/layer.hpp>
#include <advprop/layers/map_sizes.hpp>
#include <advprop/models/architecture.hpp>

namespace advprop {

namespace detail {
/// Throws `argument_error` beginning with `who` where a network's numbers are none.
template <class Device>
void check_computes(const char* who, Device& d) {
  if constexpr (requires { d.dry(); })
    if (d.dry()) fail<argument_error>(who, ": the network's device is for dry runs and computes nothing");
}
/// Throws `numeric_error` beginning with `who` for a tensor that no reader of a file would take.
[[gnu::cold]] inline void check_finite(const char* who, const parameter& p, std::span<const float> values) {
  if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }))
    fail<numeric_error>(who, ": ", p.name, " holds a NaN or an infinity");
}
}  // namespace detail

/// How the parameters start, besides each layer's own rule.
struct initialization {
  bool zero_last_scale = false;  ///< each residual branch starts as nothing (Goyal et al. 2017, section 5.1)
};

namespace detail {
/// What the network asks for; 0 when it says nothing.
template <class Network>
constexpr float default_stochastic_depth() {
  if constexpr (requires { Network::drop_path; }) {
    static_assert(Network::drop_path >= 0 && Network::drop_path < 1, "model: Network::drop_path must be in [0, 1)");
    return Network::drop_path;
  } else {
    return 0;
  }
}
}  // namespace detail

/// `Network` with the batch norms of `Domains` on `Device`. There is no train or evaluation mode: each pass says what
/// it wants. The device must outlive the model.
template <network_layers Network, domain_policy Domains, class Device>
class model {
 public:
  using network_type = Network;
  using domains_type = Domains;
  using device_type = Device;
  static constexpr int channels = Network::input::channels;
  static constexpr int classes = class_count<Network>;

  explicit model(Device& device, seed s = seed{0}, initialization how = {})
      : device_(&device), store_(device, set_up()) {
    initialize(s, how);
  }
  model(const model&) = delete;
  model& operator=(const model&) = delete;

  /// Logits, batch x classes, for NHWC images in [0,1]. `keep` tells which backward pass will follow and therefore
  /// what is saved for it; `noise` feeds dropout and stochastic depth in passes that `drop`. Throws `argument_error`
  /// for images of the wrong channel count, an empty batch, a route that does not fit, or a domain out of range.
  feature_map<Device> forward(const_image_view images, const pass& p, wrt keep = wrt::nothing,
                              const layer_noise& noise = {}) {
    const int batch = images.extent(0);
    if (images.extent(3) != channels)
      fail<argument_error>("model: images have ", images.extent(3), " channels, the network takes ", channels);
    if (batch < 1) fail<argument_error>("model: the batch is empty");
    const routing parts = p.route.resolve(batch), groups = parts.merged();
    for (const part& g : groups)
      if (g.domain.index() >= Domains::count)
        fail<argument_error>("domain out of range: ", g.domain.index(), " of ", Domains::count);
    past_pass now;  // no list of its members: nvcc's host compiler would not take it
    now.parts = parts;
    now.groups = groups;
    now.source = p.source;
    now.update = p.update;
    now.drop = p.drop;
    now.noise = noise;
    now.depth = depth_;
    now.images = images.extents();
    now.learning = store_.learning()->version();
    last_ = now;
    auto c = bind(keep);
    feature_map<Device> y = body_.forward(c, Network::input::forward(*device_, images));
    last_.keep = keep;  // only now: after an exception there is nothing to go back through
    last_.result = y.image();
    if (p.update && p.source == statistics::batch)
      for (const part& g : groups) ++tracked_[static_cast<std::size_t>(Domains::statistic_set(g.domain))];
    return y;
  }

  /// `forward`, for a loss to be taken of the result. Throws `argument_error` where that is not one logit a class.
  feature_map<Device> logits(const_image_view images, const pass& p, wrt keep = wrt::nothing,
                             const layer_noise& noise = {}) {
    feature_map<Device> y = forward(images, p, keep, noise);
    if (y.image() != shape{classes, 1, 1})
      fail<argument_error>("model: the network ends in ", y.image().height, "x", y.image().width,
                           " feature maps, not in one logit a class");
    return y;
  }

  /// Runs back from the gradient of the logits, through the forward pass that came last and kept at least `W`.
  /// `wrt::parameters` adds to `gradients()`; `wrt::input` writes `images`; `wrt::both` does both. Throws
  /// `argument_error` where these are not of that pass's shapes.
  template <wrt W>
  void backward(feature_map<Device> logits, image_view images = {}) {
    if ((static_cast<int>(W) & ~static_cast<int>(last_.keep)) != 0)
      fail<argument_error>("model: backward wants more than the last forward pass kept");
    if (logits.batch() != last_.images[0] || logits.image() != last_.result)
      fail<argument_error>("model: backward is given the gradient of other logits than those of the last forward pass");
    if (has(W, wrt::input) && images.extents() != last_.images)
      fail<argument_error>("model: backward is to write into images of another shape than the last forward pass had");
    if (last_.learning != store_.learning()->version())
      fail<argument_error>("model: since the forward pass, other tensors have come to learn; run it again");
    auto c = bind(last_.keep);
    last_.keep = wrt::nothing;  // before, as layers drop what they have saved on the way: there is no second try
    feature_map<Device> dx = body_.template backward<W>(c, std::move(logits));
    if constexpr (has(W, wrt::input)) Network::input::backward(*device_, dx, images);
  }

  Device& device() const { return *device_; }

  /// How many images of a batch of this shape a pass in which none knows of another should take at once.
  int images_at_once(int batch, shape image) const {
    if constexpr (requires { device_->images_at_once(batch, std::ptrdiff_t{}, std::ptrdiff_t{}); })
      return device_->images_at_once(batch, largest_map<Network>(image), static_cast<std::ptrdiff_t>(decayed()));
    else
      return batch;
  }

  /// How often the last residual branches are left out in passes that `drop`; the rate of block b of B is rate * b / B.
  /// It starts as `Network::drop_path`, or 0 without that. Throws `argument_error` outside [0, 1).
  void stochastic_depth(float rate) {
    if (!(rate >= 0 && rate < 1)) fail<argument_error>("model: stochastic depth is ", rate, ", must be in [0, 1)");
    depth_.rate = rate;
  }
  const depth_rule& stochastic_depth() const { return depth_; }

  /// Every named tensor: weights, biases, and each batch norm's sets.
  const std::vector<parameter>& table() const { return store_.table(); }
  std::span<float> operator[](const parameter& p) { return store_[p]; }
  std::span<const float> operator[](const parameter& p) const { return store_[p]; }
  /// Empty for running means and variances.
  std::span<float> gradient(const parameter& p) { return store_.gradient(p); }
  std::span<const float> gradient(const parameter& p) const {
    return store_.has_gradients() ? store_.gradient(p) : std::span<float>();
  }

  /// All learnt numbers in one block: `decayed()` weights, `biases()` biases, then scales and shifts.
  std::span<float> values() { return store_.values(); }
  std::span<const float> values() const { return store_.values(); }
  /// Zeros before the first backward pass, and where nothing learns. They take memory once they are asked for, by a
  /// pass or by this; a constant model that was not asked has none.
  std::span<float> gradients() { return store_.gradients(); }
  std::span<const float> gradients() const { return store_.has_gradients() ? store_.gradients() : std::span<float>(); }
  std::span<float> running() { return store_.running(); }
  std::span<const float> running() const { return store_.running(); }
  std::size_t decayed() const { return store_.decayed(); }
  std::size_t biases() const { return store_.biases(); }
  void zero_gradients() { store_.zero_gradients(); }

  /// For an optimizer, while it is at work: which tensors it changes, an entry for each of `table()` (those of running
  /// statistics do not count). Training passes then make no gradients of layers of which no optimizer changes
  /// anything, and save and compute nothing below the lowest that one does; their `gradients()` stay as they are.
  /// While there is no optimizer, everything learns. Throws `argument_error` for another number of tensors.
  [[nodiscard]] learning_claim learning(std::vector<bool> changed) {
    return learning_claim(store_.learning(), std::move(changed));
  }

  /// How many batches updated a set's running statistics (PyTorch's num_batches_tracked).
  /// Throws `argument_error` for a set that there is not.
  std::int64_t& batches_tracked(int set) { return tracked_[checked(set)]; }
  std::int64_t batches_tracked(int set) const { return tracked_[checked(set)]; }

  /// Gives every auxiliary set the main one's numbers, as after loading an ordinary checkpoint.
  void copy_main_to_auxiliary() {
    for (const parameter& main : table()) {
      if (main.set != 0) continue;
      for (const parameter& p : table())
        if (p.set != 0 && p.role == main.role && p.name == norm_tensor_name(main.name, p.set))
          memory_copy(*device_, (*this)[main], (*this)[p]);
    }
    for (int s = 1; s < Domains::statistic_sets; ++s) batches_tracked(s) = batches_tracked(0);
  }

 private:
  static std::size_t checked(int set) {
    if (set < 0 || set >= Domains::statistic_sets)
      fail<argument_error>("model: there is no set ", set, " of running statistics, but ", Domains::statistic_sets);
    return static_cast<std::size_t>(set);
  }
  using body = node<Network, channels, Domains, Device>;
  struct past_pass {
    routing parts, groups;
    statistics source = statistics::running;
    bool update = false;
    wrt keep = wrt::nothing;
    bool drop = false;
    layer_noise noise{};
    depth_rule depth{};
    std::array<int, 4> images{};  // their extents
    int learning = 0;             // its version
    shape result{};
  };

  registry set_up() {
    registry r;
    body_.setup(r, "");
    depth_.blocks = r.blocks();
    return r;
  }
  context<Domains, Device> bind(wrt kept) {
    return {.device = *device_,
            .store = store_,
            .parts = last_.parts,
            .groups = last_.groups,
            .source = last_.source,
            .update = last_.update,
            .keep = kept,
            .drop = last_.drop,
            .noise = last_.noise,
            .depth = last_.depth,
            .bottom = has(kept, wrt::input) ? -1 : store_.learning()->lowest()};
  }
  void initialize(seed s, initialization how) {
    if constexpr (requires { device_->dry(); })
      if (device_->dry()) return;
    std::vector<float> host;
    std::uint64_t index = 0;
    for (const parameter& p : table()) {
      start_values(p, random_stream(s.value).split(index++), how.zero_last_scale, host);
      memory_copy(*device_, host, (*this)[p]);
    }
  }

  Device* device_;
  body body_;
  depth_rule depth_{detail::default_stochastic_depth<Network>(), 0};
  parameter_store<Domains, Device> store_;
  past_pass last_;
  std::array<std::int64_t, static_cast<std::size_t>(Domains::statistic_sets)> tracked_{};
};

}  // namespace advprop
