// Batch normalisation over a domain policy, fused with the activation and the residual add that follow it.
#pragma once

#include <utility>

#include <advprop/core/spec.hpp>
#include <advprop/layers/layer.hpp>
#include <advprop/layers/pending_activation.hpp>
#include <advprop/ops/norm_parameters.hpp>

namespace advprop {

/// PyTorch's numbers; `momentum` is the weight of the new value.
struct pytorch_norm {
  static constexpr float epsilon = 1e-5f, momentum = 0.1f;
};

/// Ioffe & Szegedy 2015, with the statistics, scale and shift of the domain that each image is routed to
/// (AdvProp, section 4). `Numbers` supplies epsilon and momentum.
template <class Numbers = pytorch_norm>
struct batch_norm {
  using numbers = Numbers;
  static constexpr shape output(shape s) { return s; }
  static constexpr long parameters(int in) { return 2L * in; }
  template <int In, class Domains, class Device>
  class state;
};

namespace detail {

/// Whether a device has an operation that gives a convolution's result together with its statistics.
template <class Device>
concept statistics_device = requires(Device& d, const conv_spec& s, feature_view<typename Device::element> x,
                                     float* p) {
  conv_forward_statistics(d, s, x, p, x, p, p);
};

/// The compiler compares a residual's branches for one size of images. Throws `argument_error` where they differ for
/// that of these.
template <class Device>
void check_added(const feature_map<Device>& body, const feature_map<Device>& added) {
  const shape a = body.image(), b = added.image();
  if (added && a != b)
    fail<argument_error>("residual: the body gives feature maps of ", a.height, "x", a.width, ", the shortcut of ",
                         b.height, "x", b.width);
}

struct norm_spec {
  int channels;
  activation after;
  float epsilon, momentum;
};

/// What a batch norm keeps and does, whatever its width: compiled once.
template <class Domains, class Device>
class norm_state {
 public:
  void setup(registry& r, const std::string& name, const norm_spec& s, bool closes_branch) {
    at_ = r.norm(name, s.channels, closes_branch);
  }

  /// `measured`: x came with its statistics, see `measured_by`.
  [[gnu::noinline]] feature_map<Device> forward(context<Domains, Device>& c, const norm_spec& s,
                                                const feature_map<Device>& x, const feature_map<Device>& added,
                                                bool measured = false) {
    check_channels("batch_norm", x, s.channels);
    check_added(x, added);
    const bool backward = c.keep != wrt::nothing;
    const bool needs_x = has(c.keep, wrt::parameters) || c.source == statistics::batch || s.after == activation::silu;
    const bool keep_x = backward && needs_x;
    if (c.source == statistics::batch && !measured) allocate_batch(c, s);
    feature_map<Device> y = writable(c.device, x, !keep_x && x.unique());
    int first = 0, g = 0;
    for (const part& p : c.groups) {
      const auto in = x.slice(first, p.count);
      const norm_parameters n = numbers(c, s, g, p.domain);
      if (c.source == statistics::batch) {
        const std::ptrdiff_t count = std::ptrdiff_t{p.count} * x.image().height * x.image().width;
        if (count < 2)
          fail<argument_error>("batch_norm: batch statistics need at least 2 values per channel, domain ",
                               p.domain.index(), " has ", count);
        if (measured)
          norm_forward(c.device, s.after, in, n, added.slice(first, p.count), y.slice(first, p.count));
        else
          norm_forward_batch(c.device, s.after, in, batch_mean(s, g), batch_variance(s, g), n,
                             added.slice(first, p.count), y.slice(first, p.count));
        if (c.update)
          norm_update_running(c.device, s.channels, n.mean, n.variance, count, s.momentum, c.store.mean(at_, p.domain),
                              c.store.variance(at_, p.domain));
      } else {
        norm_forward(c.device, s.after, in, n, added.slice(first, p.count), y.slice(first, p.count));
      }
      first += p.count;
      ++g;
    }
    x_ = saved_if(keep_x, x);
    y_ = saved_if(backward && slope_from_output(s.after), y);
    added_ = saved_if(backward && s.after == activation::silu, added);
    if (!backward) batch_ = {};
    pending_ = {};
    return y;
  }

  /// The gradient of x, and that of the added branch when there was one.
  [[gnu::noinline]] std::pair<feature_map<Device>, feature_map<Device>> backward(context<Domains, Device>& c,
                                                                                 const norm_spec& s, wrt with_respect,
                                                                                 const feature_map<Device>& dy,
                                                                                 bool has_add) {
    feature_map<Device> dadd, dx;
    const bool own = dy.unique();
    if (has_add) {
      dx = feature_map<Device>(c.device, dy.batch(), dy.image());
      dadd = writable(c.device, dy, own);
    } else {
      dx = writable(c.device, dy, own);
    }
    int first = 0, g = 0;
    for (const part& p : c.groups) {
      float *dscale = nullptr, *dshift = nullptr;
      if (has(with_respect, wrt::parameters) && c.store.norm_learns(at_, p.domain)) {
        dscale = c.store.scale_gradient(at_, p.domain);
        dshift = c.store.shift_gradient(at_, p.domain);
      }
      norm_backward(c.device, s.after, c.source, x_.slice(first, p.count), y_.slice(first, p.count),
                    dy.slice(first, p.count), added_.slice(first, p.count), numbers(c, s, g, p.domain),
                    dx.slice(first, p.count), dadd.slice(first, p.count), dscale, dshift);
      first += p.count;
      ++g;
    }
    x_ = y_ = added_ = {};
    batch_ = {};
    return {std::move(dx), std::move(dadd)};
  }

  /// Whether the convolution before does this norm's work: where its numbers are fixed and only its result is needed on
  /// the way back.
  static bool folds(const context<Domains, Device>& c, const norm_spec& s) {
    return c.source == statistics::running && !has(c.keep, wrt::parameters) &&
           (c.keep == wrt::nothing || s.after == activation::identity || slope_from_output(s.after));
  }
  /// Whether the convolution before gives the statistics with its result: where these are one domain's.
  static bool measures(const context<Domains, Device>& c) {
    return statistics_device<Device> && c.source == statistics::batch && c.groups.size() == 1;
  }
  /// f(mean, variance) writes the statistics of the map that `forward` is given next.
  template <class F>
  void measured_by(context<Domains, Device>& c, const norm_spec& s, F&& f) {
    allocate_batch(c, s);
    f(batch_mean(s, 0), batch_variance(s, 0));
  }
  /// f(first image, count, numbers) for each domain's images, in a pass that folds.
  template <class F>
  void for_groups(const context<Domains, Device>& c, const norm_spec& s, F&& f) const {
    int first = 0, g = 0;
    for (const part& p : c.groups) {
      f(first, p.count, numbers(c, s, g++, p.domain));
      first += p.count;
    }
  }
  void keep_result(const context<Domains, Device>& c, const norm_spec& s, const feature_map<Device>& y) {
    x_ = y_ = added_ = {};
    pending_ = {};
    if (c.keep != wrt::nothing && slope_from_output(s.after)) pending_ = {s.after, y};
  }
  /// After `keep_result`, until the way back has come through it.
  pending_activation<Device>* pending() { return &pending_; }

 private:
  void allocate_batch(context<Domains, Device>& c, const norm_spec& s) {
    batch_ = c.device.memory().allocate(static_cast<std::size_t>(c.groups.size()) * 2 *
                                        static_cast<std::size_t>(s.channels) * sizeof(float));
  }
  float* batch_mean(const norm_spec& s, int group) const {
    return static_cast<float*>(batch_.data()) + group * 2 * s.channels;
  }
  float* batch_variance(const norm_spec& s, int group) const { return batch_mean(s, group) + s.channels; }
  norm_parameters numbers(const context<Domains, Device>& c, const norm_spec& s, int group, domain d) const {
    const bool batch = c.source == statistics::batch;
    return {batch ? batch_mean(s, group) : c.store.mean(at_, d),
            batch ? batch_variance(s, group) : c.store.variance(at_, d), c.store.scale(at_, d), c.store.shift(at_, d),
            s.epsilon};
  }

  std::size_t at_ = 0;
  feature_map<Device> x_, y_, added_;
  pending_activation<Device> pending_;
  arena::block batch_;  // mean and variance of the present batch, a group
};

/// y = activation(norm(x) + add), in one sweep. `Activation` and the add are compile-time neighbours found by
/// `sequential` and `residual`.
template <class Numbers, activation Activation, int In, class Domains, class Device>
class norm_node {
 public:
  static constexpr norm_spec spec{In, Activation, Numbers::epsilon, Numbers::momentum};

  void setup(registry& r, const std::string& name, bool closes_branch = false) {
    state_.setup(r, name, spec, closes_branch);
  }
  feature_map<Device> forward(context<Domains, Device>& c, feature_map<Device>&& x, feature_map<Device>&& added = {}) {
    return state_.forward(c, spec, x, added);
  }
  template <wrt W>
  std::pair<feature_map<Device>, feature_map<Device>> backward_branches(context<Domains, Device>& c,
                                                                        feature_map<Device>&& dy, bool has_add) {
    return state_.backward(c, spec, W, dy, has_add);
  }
  template <wrt W>
  feature_map<Device> backward(context<Domains, Device>& c, feature_map<Device>&& dy) {
    return backward_branches<W>(c, std::move(dy), false).first;
  }
  norm_state<Domains, Device>& core() { return state_; }
  pending_activation<Device>* pending() { return state_.pending(); }
  static bool folds(const context<Domains, Device>& c) { return norm_state<Domains, Device>::folds(c, spec); }
  /// Whether the convolution before runs this norm, too.
  static bool joins(const context<Domains, Device>& c) { return folds(c) || norm_state<Domains, Device>::measures(c); }

 private:
  norm_state<Domains, Device> state_;
};

}  // namespace detail

template <class Numbers>
template <int In, class Domains, class Device>
class batch_norm<Numbers>::state : public detail::norm_node<Numbers, activation::identity, In, Domains, Device> {};

}  // namespace advprop
