// Gradients of a batch: the pieces that every training method is made of.
#pragma once

#include <span>

#include <advprop/core/target_view.hpp>
#include <advprop/device/repeated.hpp>
#include <advprop/models/model.hpp>
#include <advprop/training/metrics.hpp>

namespace advprop {

/// Images and labels of one data stream, as a method sees them. `fit` has the images in the device's memory.
struct labelled_images {
  const_image_view images;
  target_view labels;

  /// Images [first, first + count) with their labels. Throws `argument_error` when there are not as many of these.
  labelled_images slice(int first, int count) const {
    const int all = images.extent(0);
    if (labels.extent(0) != all || (labels.soft.data() && labels.soft.extent(0) != all))
      fail<argument_error>("step: ", all, " images but ", labels.extent(0), " labels");
    return {images.slice(first, count), labels.slice(first, count)};
  }
};

/// What a method needs besides the network and the data.
struct step_options {
  float label_smoothing = 0;
  /// Everything random in the step: a function of the seed and the step's number, so that a resumed run repeats it.
  random_stream rng{};

  /// The masks of part `part` and those after it. `matched`: every part of the step has the same.
  layer_noise noise(int part, bool matched) const { return {rng.split(0xD201), part, matched}; }
};

/// One training pass: forward through the routes' domains, each part's mean loss times its weight, and the gradients of
/// their sum added to the model's. Tallies go to `metrics.parts[first_part + i]`. Part i of the route draws
/// its masks as part first_part + i of the step; `matched_noise` gives all parts the same.
template <class Model>
void accumulate_gradients(Model& net, const labelled_images& batch, const routing& route, const step_options& options,
                          step_metrics& metrics, int first_part, bool matched_noise = false) {
  using device = typename Model::device_type;
  const int count = batch.images.extent(0);
  check_targets("step", batch.labels, count, Model::classes, !net.device().memory().owns(batch.labels.data()));
  auto logits = net.logits(batch.images, pass::train(route), wrt::parameters, options.noise(first_part, matched_noise));
  feature_map<device> dlogits(net.device(), count, logits.image());
  int first = 0;
  for (const part& p : route.resolve(count)) {
    metrics.add(first_part++,
                cross_entropy(net.device(), logits.slice(first, p.count), batch.labels.slice(first, p.count),
                              options.label_smoothing, p.weight, dlogits.slice(first, p.count)),
                p.count);
    first += p.count;
  }
  metrics.count = metrics.count > first_part ? metrics.count : first_part;
  logits = {};
  net.template backward<wrt::parameters>(std::move(dlogits));
  if (!recording(net.device())) metrics.settle(net.device());
}

}  // namespace advprop
