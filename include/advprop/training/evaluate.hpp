// Accuracy on a data set, clean or under attack, through any domain.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include <advprop/attacks/none.hpp>
#include <advprop/attacks/objective.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/core/unit_interval.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/models/predict.hpp>
#include <advprop/models/prepare.hpp>
#include <advprop/training/metrics.hpp>

namespace advprop {

struct evaluate_options {
  domain through = main_domain;  ///< the domain that serves inference, and that the attack goes through
  int batch = 250;
  int images =
      0;  ///< how many of them, from the first on; of an image folder so of the first classes (`every`); 0: all
  advprop::seed seed{0};  ///< the attack's randomness, a stream for each batch: with random starts, `batch` counts, too
};

struct evaluation {
  tally total;
  int classes = 0;
  std::vector<long> confusion;  ///< [true class][predicted class]
};

namespace detail {

/// What `evaluate` asks of a dry device for a batch.
template <class Model, class Attack>
void dry_evaluation(Model& net, const planned_images& batch, const Attack& attack) {
  random_stream rng;
  const resident_images there(net.device(), batch.images);
  perturb(net, attack, there.view(), batch.labels, rng);
  const auto logits = logits_in_groups(net, there.view(), main_domain);
  cross_entropy(net.device(), logits, batch.labels, 0.f, 1.f, {});
}

}  // namespace detail

/// Runs the whole source through the network with running statistics, each batch attacked first. Throws
/// `argument_error` for values outside [0, 1], `numeric_error` where the loss is not finite, as after a run that
/// diverged, and `memory_error` where a batch is too large for the device.
template <class Model, source Source, attack_policy Attack = attack::none>
evaluation evaluate(Model& net, const Source& data, const evaluate_options& options = {},
                    const Attack& attack = {}) try {
  detail::check_computes("evaluate", net.device());
  if (data.classes != Model::classes)
    fail<argument_error>("evaluate: the data have ", int{data.classes}, " classes, the network ", Model::classes);
  if (options.batch < 1 || options.images < 0)
    fail<argument_error>("evaluate: batch must be positive and images not negative");
  const int count = options.images == 0 ? data.size() : std::min(options.images, int{data.size()});
  if (count < 1) fail<argument_error>("evaluate: no images");
  evaluation result;
  result.classes = Model::classes;
  result.confusion.assign(static_cast<std::size_t>(Model::classes) * Model::classes, 0);
  const shape image = data.image();
  detail::prepare(net, {std::min(options.batch, count), image.height, image.width, image.channels},
                  [&](Model& twin, const auto& images) { detail::dry_evaluation(twin, images, attack); });
  tensor<int, 1> best({std::min(options.batch, count)});
  for (int first = 0, index = 0; first < count; first += options.batch, ++index) {
    const int n = std::min(options.batch, count - first);
    const int begin = detail::batch_from<typename Model::device_type>(first, n, options.batch);
    auto batch = read_batch(data, begin, first + n - begin);
    check_targets("evaluate", batch.targets(), batch.size(), Model::classes);
    check_unit_interval("evaluate", batch.images.view());
    random_stream rng = random_stream(options.seed.value).split(static_cast<std::uint64_t>(index));
    const detail::resident_images images(net.device(), batch.images.view());
    perturb(net, attack, images.view(), batch.labels.view(), rng, options.through, 0, rng.split(1));
    const auto all = detail::logits_in_groups(net, images.view(), options.through);
    const auto logits = all.slice(first - begin, n);
    const label_view labels = batch.labels.view().slice(first - begin, n);
    const loss_result loss = cross_entropy(net.device(), logits, labels, 0.f, 1.f, {});
    if (!std::isfinite(loss.loss))
      fail<numeric_error>(
          "evaluate: the loss of images ", first, " to ", first + n - 1,
          " is not a finite number: the network's weights or statistics are not finite either, or too large",
          std::is_same_v<Attack, attack::none> ? "" : ", or the attack has left a pixel that is no number");
    result.total.add(loss, n);
    const label_view predicted = best.view().slice(0, n);
    predict(net.device(), logits, predicted);
    for (int i = 0; i < n; ++i)
      ++result.confusion[static_cast<std::size_t>(labels(i)) * Model::classes + static_cast<std::size_t>(predicted(i))];
  }
  return result;
} catch (const memory_error& e) {
  fail<memory_error>(e.what(), "; evaluate: batches of ", options.batch, " images are too large here");
}

}  // namespace advprop
