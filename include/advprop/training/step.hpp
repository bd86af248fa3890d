// Gradients of a batch: the pieces that every training method is made of.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <advprop/core/target_view.hpp>
#include <advprop/core/unit_interval.hpp>
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

/// What a step splits its random stream by. Streams of different tags never meet.
namespace stream_tag {
inline constexpr std::uint64_t layers = 0xD201;          ///< masks of dropout and stochastic depth
inline constexpr std::uint64_t micro_batches = 0x31C20;  ///< then by the micro-batch's number, from 1
inline constexpr std::uint64_t attacks = 0xA77AC;        ///< then by the auxiliary domain's number
}  // namespace stream_tag

/// What a method needs besides the network and the data.
struct step_options {
  float label_smoothing = 0;
  /// Everything random in the step: a function of the seed and the step's number, so that a resumed run repeats it.
  random_stream rng{};
  /// How many of a part's images go through the network at a time, at most; 0: all of them.
  int micro_batch = 0;
  /// Epochs since the run began, with fractions: for methods that change on the way. A method has no other memory, as a
  /// resumed run would not find it.
  double epoch = 0;

  /// The masks of part `part` and those after it. `matched`: every part of the step has the same.
  layer_noise noise(int part, bool matched) const { return {rng.split(stream_tag::layers), part, matched}; }
};

/// Some of a part's images, next to each other. Weighted with their share of it, the micro-batches' mean losses add up
/// to the part's.
struct micro_batch {
  labelled_images images;  ///< none where all of the part's have had their turn
  float share = 0;
  int count() const { return images.images.extent(0); }
};

/// How many micro-batches of `micro_batch` images at most a part of `images` makes: as few as it can, of sizes that
/// differ by one at most.
inline int micro_batches_of(int images, int micro_batch) {
  return micro_batch == 0 ? 1 : std::max(1, (images - 1) / micro_batch + 1);
}
/// Images of the smallest of them.
inline int smallest_micro_batch(int images, int micro_batch) { return images / micro_batches_of(images, micro_batch); }

/// Calls f(one micro-batch of each part, its options) until all images have had their turn: once, unless
/// `options.micro_batch` is smaller than a part. Each has randomness of its own, the first that of a whole batch.
template <std::size_t Parts, class F>
void for_micro_batches(const std::array<labelled_images, Parts>& parts, const step_options& options, F&& f) {
  if (options.micro_batch < 0)
    fail<argument_error>("step: micro_batch is ", options.micro_batch, ", must be 0 or more");
  std::array<int, Parts> counts{};
  for (std::size_t k = 0; k < Parts; ++k) counts[k] = micro_batches_of(parts[k].images.extent(0), options.micro_batch);
  for (int i = 0; i < *std::max_element(counts.begin(), counts.end()); ++i) {
    std::array<micro_batch, Parts> now;
    for (std::size_t k = 0; k < Parts; ++k) {
      if (i >= counts[k]) continue;
      const std::int64_t all = parts[k].images.extent(0);
      const int first = static_cast<int>(all * i / counts[k]), last = static_cast<int>(all * (i + 1) / counts[k]);
      now[k] = {parts[k].slice(first, last - first), static_cast<float>(last - first) / static_cast<float>(all)};
    }
    step_options own = options;
    if (i > 0) own.rng = options.rng.split(stream_tag::micro_batches).split(static_cast<std::uint64_t>(i));
    f(now, own);
  }
}

/// One training pass: forward through the routes' domains, each part's mean loss times its weight, and the gradients of
/// their sum added to the model's. Tallies go to `metrics.parts[first_part + i]`. Part i of the route draws
/// its masks as part first_part + i of the step; `matched_noise` gives all parts the same. Throws `argument_error` for
/// targets that do not fit, and for images in the host's memory that are not in [0, 1].
template <class Model>
void accumulate_gradients(Model& net, const labelled_images& batch, const routing& route, const step_options& options,
                          step_metrics& metrics, int first_part, bool matched_noise = false) {
  using device = typename Model::device_type;
  const int count = batch.images.extent(0);
  check_targets("step", batch.labels, count, Model::classes, !net.device().memory().owns(batch.labels.data()));
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1))
    fail<argument_error>("step: label_smoothing is ", options.label_smoothing, ", must be in [0, 1)");
  check_host_images("step", net.device(), batch.images);
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
  logits = {};
  net.template backward<wrt::parameters>(std::move(dlogits));
  if (!recording(net.device())) metrics.settle(net.device());
}

}  // namespace advprop
