// What a network says of images: logits, probabilities or classes, in the host's memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/core/unit_interval.hpp>
#include <advprop/device/separate_memory.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/prepare.hpp>

namespace advprop {

namespace detail {

/// The logits of a batch, a few images at a time where that suits the device.
template <class Model>
auto logits_in_groups(Model& net, const_image_view images, domain through) {
  using device = typename Model::device_type;
  const int batch = images.extent(0);
  const int group = net.images_at_once(batch, {Model::channels, images.extent(1), images.extent(2)});
  if (group == batch) return net.logits(images, pass::evaluate(through));
  feature_map<device> logits(net.device(), batch, {Model::classes, 1, 1});
  for (int first = 0; first < batch; first += group) {
    const int count = std::min(group, batch - first);
    const auto some = net.logits(images.slice(first, count), pass::evaluate(through));
    memory_copy(net.device(), some, logits.slice(first, count));
  }
  return logits;
}

/// Where a batch begins whose images from `first` on are wanted: the last, smaller one takes some before it along on a
/// device with libraries, which would prepare for its size, for minutes where they compile.
template <class Device>
constexpr int batch_from(int first, int count, int batch) {
  return separate_memory<Device> && first > 0 && count < batch ? first + count - batch : first;
}

/// The host's copy of logits in the device's layout, in which the blocks of a 1x1 feature map are one row per image.
template <class Device, int Classes>
class host_logits {
 public:
  using element = typename Device::element;
  static constexpr std::ptrdiff_t row = Device::elements(1, {Classes, 1, 1});

  /// The numbers of that many images.
  feature_view<element> rows(int images) {
    numbers_.resize(static_cast<std::size_t>(row * images));
    return {numbers_.data(), images, Classes, 1, 1};
  }
  /// Image i's.
  element* operator[](int i) { return numbers_.data() + i * row; }

  /// The first logits.extent(0) images of y, row by row.
  void read(Device& d, feature_view<const element> y, view<float, 2> logits) {
    memory_copy(d, y, rows(y.batch));
    for (int i = 0; i < logits.extent(0); ++i) std::copy_n((*this)[i], Classes, &logits(i, 0));
  }

 private:
  std::vector<element> numbers_;
};

/// Throws `numeric_error` naming the first image of which a number is not finite, as where weights are not.
inline void check_answers(view<const float, 2> answers, int first) {
  for (int i = 0; i < answers.extent(0); ++i)
    for (int c = 0; c < answers.extent(1); ++c)
      if (!std::isfinite(answers(i, c)))
        fail<numeric_error>("predict: the logits of image ", first + i,
                            " are not finite numbers: the network's weights or statistics are not either, or are too "
                            "large");
}

/// f(logits, first, count) for images [first, first + count), all in turn.
template <class Model, class F>
void for_logits(Model& net, const_image_view images, domain through, int batch, F&& f) {
  static_assert(!std::is_const_v<Model>, "predict: a network has state while it computes, so it must not be const");
  if (batch < 1) fail<argument_error>("predict: batch is ", batch, ", must be 1 or more");
  check_computes("predict", net.device());
  check_host_images("predict", net.device(), images);
  auto extents = images.extents();
  extents[0] = std::min(batch, extents[0]);
  prepare(net, extents,
          [](Model& twin, const planned_images& some) { logits_in_groups(twin, some.images, main_domain); });
  for (int first = 0; first < images.extent(0); first += batch) {
    const int count = std::min(batch, images.extent(0) - first);
    const int begin = batch_from<typename Model::device_type>(first, count, batch);
    const auto logits = logits_in_groups(net, images.slice(begin, first + count - begin), through);
    f(logits.slice(first - begin, count), first, count);
  }
}

}  // namespace detail

struct predict_options {
  domain through = main_domain;
  int batch = 250;  ///< images that go through the network together
};

/// Logits, images x classes, for any number of NHWC images in [0,1], with running statistics. Throws `argument_error`
/// for images of the wrong channel count or with values outside [0, 1], a domain out of range, or a network that ends
/// in no logits; `numeric_error` where a logit is not finite.
template <class Model>
tensor<float, 2> predict_logits(Model& net, const_image_view images, const predict_options& options = {}) {
  tensor<float, 2> logits({images.extent(0), Model::classes});
  detail::host_logits<typename Model::device_type, Model::classes> host;
  detail::for_logits(net, images, options.through, options.batch, [&](const auto& y, int first, int count) {
    const auto mine = logits.view().slice(first, count);
    host.read(net.device(), y, mine);
    detail::check_answers(mine, first);
  });
  return logits;
}

/// Their softmax. Throws as `predict_logits`.
template <class Model>
tensor<float, 2> predict_probabilities(Model& net, const_image_view images, const predict_options& options = {}) {
  tensor<float, 2> probabilities({images.extent(0), Model::classes});
  detail::for_logits(net, images, options.through, options.batch, [&](const auto& y, int first, int count) {
    const auto mine = probabilities.view().slice(first, count);
    softmax(net.device(), y, mine);
    detail::check_answers(mine, first);
  });
  return probabilities;
}

/// The class with the largest logit, of each image; of equal ones the first. Throws as `predict_logits`.
template <class Model>
tensor<int, 1> predict_classes(Model& net, const_image_view images, const predict_options& options = {}) {
  const tensor<float, 2> logits = predict_logits(net, images, options);
  tensor<int, 1> classes({images.extent(0)});
  for (int i = 0; i < images.extent(0); ++i) {
    const float* row = logits.data() + std::ptrdiff_t{i} * Model::classes;
    classes(i) = static_cast<int>(std::max_element(row, row + Model::classes) - row);
  }
  return classes;
}

}  // namespace advprop
