// A model as attacks see it: images in, gradient of the images out.
#pragma once

#include <algorithm>

#include <advprop/attacks/attack.hpp>
#include <advprop/core/unit_interval.hpp>
#include <advprop/models/model.hpp>

namespace advprop {

/// Which loss an attack climbs, through which batch norms.
struct objective_options {
  domain through = main_domain;
  statistics source = statistics::running;
  float label_smoothing = 0;
  bool drop = false;    ///< are dropout and stochastic depth on
  layer_noise noise{};  ///< their masks
  int at_once = 0;      ///< images of a pass; 0: as suits the device. Changes no bit.
};

/// The view of a model that `attack_policy::perturb` gets: it cannot change weights or running statistics, because
/// every pass it makes is `pass::attack` and every backward pass `wrt::input`.
template <class Model>
class objective {
 public:
  using device_type = typename Model::device_type;

  objective(Model& net, objective_options options) : net_(&net), options_(options) {}

  image_buffer<device_type> input_gradient(const device_images<device_type>& images, const target_view& labels) {
    return gradient_and_losses(images, labels, nullptr);
  }

  image_buffer<device_type> input_gradient(const device_images<device_type>& images, const target_view& labels,
                                           const image_numbers<device_type>& losses) {
    if (losses.extent(0) < images.extent(0))
      fail<argument_error>("objective: there is room for ", losses.extent(0), " losses of ", images.extent(0),
                           " images");
    return gradient_and_losses(images, labels, losses.data());
  }

  image_numbers<device_type> losses(const device_images<device_type>& images, const target_view& labels) {
    image_numbers<device_type> to(net_->device(), images.extent(0));
    for_groups(images, labels, [&](int first, int count) {
      const auto logits = net_->logits(images.slice(first, count), how(), wrt::nothing, options_.noise);
      cross_entropy(net_->device(), logits, labels.slice(first, count), options_.label_smoothing, 1, {},
                    to.data() + first);
    });
    return to;
  }

  image_buffer<device_type> copy(const device_images<device_type>& images) {
    image_buffer<device_type> to(net_->device(), images.extents());
    copy_images(images, to);
    return to;
  }

  void least_likely(const device_images<device_type>& images, label_view worst, const target_view& own = {}) {
    if (worst.extent(0) != images.extent(0))
      fail<argument_error>("objective: least_likely is to write ", worst.extent(0), " classes of ", images.extent(0),
                           " images");
    if (own.extent(0) != 0)
      check_targets("objective", own, images.extent(0), Model::classes, !net_->device().memory().owns(own.data()));
    auto logits = net_->logits(images, how(), wrt::nothing, options_.noise);
    predict_worst(net_->device(), logits, worst, own);
  }

  int classes() const { return Model::classes; }

 private:
  image_buffer<device_type> gradient_and_losses(const device_images<device_type>& images, const target_view& labels,
                                                float* losses) {
    image_buffer<device_type> gradient(net_->device(), images.extents());
    for_groups(images, labels, [&](int first, int count) {
      auto logits = net_->logits(images.slice(first, count), how(), wrt::input, options_.noise);
      feature_map<device_type> dlogits(net_->device(), count, logits.image());
      // The weight undoes the mean: each image gets the gradient of its own loss.
      cross_entropy(net_->device(), logits, labels.slice(first, count), options_.label_smoothing,
                    static_cast<float>(count), dlogits, losses ? losses + first : nullptr);
      logits = {};
      net_->template backward<wrt::input>(std::move(dlogits), gradient.slice(first, count));
    });
    return gradient;
  }

  /// f(first, count). Where no image knows of another, a pass may take a few at a time: then they stay in the
  /// processor's caches from layer to layer.
  template <class F>
  void for_groups(const device_images<device_type>& images, const target_view& labels, F f) {
    const int batch = images.extent(0);
    check_targets("objective", labels, batch, Model::classes, !net_->device().memory().owns(labels.data()));
    int group = batch;
    if (options_.source == statistics::running && !options_.drop)
      group = options_.at_once > 0 ? std::min(options_.at_once, batch)
                                   : net_->images_at_once(batch, {Model::channels, images.extent(1), images.extent(2)});
    for (int first = 0; first < batch; first += group) f(first, std::min(group, batch - first));
  }
  pass how() const { return pass::attack(options_.through, options_.source, options_.drop); }

  Model* net_;
  objective_options options_;
};

namespace detail {
/// A clamp that an attack forgot. NaN is left to the losses, which name the step: the network may be what made it.
template <class Device>
void check_perturbed(Device& d, const_image_view images) {
  if constexpr (requires { d.dry(); })
    if (d.dry()) return;
  const float* bad = std::find_if(images.begin(), images.end(), [](float v) { return v < 0 || v > 1; });
  if (bad != images.end())
    fail<argument_error>("perturb: the attack has left ", *bad, " in image ", (bad - images.begin()) / images.stride(),
                         " of the batch, outside [0, 1]");
}
}  // namespace detail

/// Runs `attack` on `images` in place, through one domain of `net`; images in the host's memory go to the device and
/// back. `label_smoothing` and `noise` are the training pass's; they count only for attacks that want them. Throws
/// `argument_error` where targets do not fit the images, the host's images are not in [0, 1], or an attack in the
/// host's memory has left a pixel outside.
template <class Model, attack_policy Attack>
void perturb(Model& net, const Attack& attack, image_view images, const target_view& labels, random_stream& rng,
             domain through = main_domain, float label_smoothing = 0, const layer_noise& noise = {}) {
  objective_options o;
  o.through = through;
  o.noise = noise;
  o.source = attack::detail::source_of(attack);
  o.label_smoothing = attack::detail::smoothed_of(attack) ? label_smoothing : 0;
  o.drop = attack::detail::dropped_of(attack);
  using device = typename Model::device_type;
  check_targets("perturb", labels, images.extent(0), Model::classes, !net.device().memory().owns(labels.data()));
  check_host_images("perturb", net.device(), images);
  objective<Model> target(net, o);
  const detail::resident_images there(net.device(), images);
  device_images<device> batch(net.device(), there.view());
  attack.perturb(target, batch, labels, rng);
  if constexpr (!detail::separate_memory<device>)
    detail::check_perturbed(net.device(), images);
  else if (batch.data() != images.data())
    copy_images(net.device(), batch, images);
}

}  // namespace advprop
