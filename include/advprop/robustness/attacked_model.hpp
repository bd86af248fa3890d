// A network as attacks for evaluation see it: logits, and the gradient of any loss of them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <advprop/attacks/attack.hpp>
#include <advprop/attacks/device_images.hpp>
#include <advprop/core/error.hpp>
#include <advprop/core/target_view.hpp>
#include <advprop/models/predict.hpp>
#include <advprop/models/prepare.hpp>

namespace advprop::robustness {

/// Writes the gradient dz of image i's loss with respect to its logits z.
using logit_gradient = std::function<void(int i, std::span<const float> z, std::span<float> dz)>;

/// What an evaluation attacks: `attacked_model`, or a class of the user's, such as a defence around a network. Images
/// are NHWC in [0,1]; logits, images x classes, are the host's. No image may depend on another of its batch.
template <class T>
concept attack_target = requires(T& t, const device_images<typename T::device_type>& images, view<float, 2> logits,
                                 const logit_gradient& loss) {
  { t.device() } -> std::same_as<typename T::device_type&>;
  { t.classes() } -> std::convertible_to<int>;
  t.logits(images, logits);
  t.gradient(images, loss, logits, images);  // logits too: one pass gives both; the last argument takes the gradient
};

/// A model through one domain, with running statistics and without dropout.
template <class Model>
class attacked_model {
 public:
  using device_type = typename Model::device_type;

  explicit attacked_model(Model& net, domain through = main_domain) : net_(&net), through_(through) {}

  device_type& device() const { return net_->device(); }
  int classes() const { return Model::classes; }

  void logits(const device_images<device_type>& images, view<float, 2> logits) {
    in_groups(images, [&](int first, int count) {
      const auto some = padded(images.slice(first, count));
      advprop::detail::prepare(*net_, some.extents(), [](Model& twin, const auto& planned) {
        twin.logits(planned.images, pass::evaluate(main_domain));
      });
      const auto y = net_->logits(some, pass::evaluate(through_));
      host_.read(device(), y, logits.slice(first, count));
    });
  }

  void gradient(const device_images<device_type>& images, const logit_gradient& loss, view<float, 2> logits,
                const device_images<device_type>& gradient) {
    std::vector<float> dz(static_cast<std::size_t>(Model::classes));
    in_groups(images, [&](int first, int count) {
      const auto some = padded(images.slice(first, count));
      advprop::detail::prepare(*net_, some.extents(), [](Model& twin, const auto& planned) {
        auto z = twin.logits(planned.images, pass::attack(main_domain), wrt::input);
        twin.template backward<wrt::input>(std::move(z), planned.images);
      });
      auto y = net_->logits(some, pass::attack(through_), wrt::input);
      host_.read(device(), y, logits.slice(first, count));
      const auto rows = host_.rows(y.batch());
      std::fill_n(rows.data, rows.batch * host_.row, element(0.f));
      for (int i = 0; i < count; ++i) {
        std::fill(dz.begin(), dz.end(), 0.f);
        loss(first + i, {logits.slice(first + i, 1).data(), dz.size()}, dz);
        std::transform(dz.begin(), dz.end(), host_[i], [](float v) { return element(v); });
      }
      memory_copy(device(), rows, y);  // the logits' memory holds their gradient from here on
      const image_view to = gradient.slice(first, count);
      if (some.extent(0) == count) return net_->template backward<wrt::input>(std::move(y), to);
      net_->template backward<wrt::input>(std::move(y), some);
      copy_images(device(), some.slice(0, count), to);
    });
  }

 private:
  using element = typename device_type::element;
  /// The images, or where the device would rather have a larger batch a copy of them that others follow.
  device_images<device_type> padded(const device_images<device_type>& images) {
    if constexpr (requires { device_type::padded_batch(1); }) {
      const int batch = device_type::padded_batch(images.extent(0));
      if (batch == images.extent(0)) return {device(), images};
      auto extents = images.extents();
      extents[0] = batch;
      if (extents != padded_extents_) {
        const image_buffer<device_type> fresh(device(), extents);
        fill(device(), 0, std::span<float>(fresh.begin(), fresh.end()));
        padded_ = fresh.memory;
        padded_extents_ = extents;
      }
      const image_view there(static_cast<float*>(padded_.data()), extents);
      copy_images(device(), images, there.slice(0, images.extent(0)));
      return {device(), there};
    } else {
      return {device(), images};
    }
  }
  template <class F>
  void in_groups(const device_images<device_type>& images, const F& f) {
    const int batch = images.extent(0);
    const int group = net_->images_at_once(batch, {Model::channels, images.extent(1), images.extent(2)});
    for (int first = 0; first < batch; first += group) f(first, std::min(group, batch - first));
  }

  Model* net_;
  domain through_;
  advprop::detail::host_logits<device_type, Model::classes> host_;
  arena::block padded_;  // images of those extents
  std::array<int, 4> padded_extents_{};
};

/// The images of an attack, in the host's memory. Image i's randomness comes from streams[i] alone, so that it does not
/// depend on its batch. An attack goes at the images whose `robust` is not 0; where it succeeds it sets that to 0 and
/// leaves the adversarial image in place of the image.
struct attack_batch {
  image_view images;
  const_label_view labels;
  std::span<const random_stream> streams;
  std::span<char> robust;
};

/// What an attack saw on its way that speaks against its own result.
struct attack_evidence {
  int attacked = 0;        ///< images
  int zero_gradients = 0;  ///< of these, images whose gradient was zero in every number where the search began
};

namespace detail {

/// The label has the largest logit, or is the lowest class of those that have. Throws `numeric_error` for a logit that
/// is not a number: such a network is not robust but broken.
inline bool is_correct(std::span<const float> z, int label) {
  bool first = true;
  for (std::size_t k = 0; k < z.size(); ++k) {
    if (!std::isfinite(z[k])) fail<numeric_error>("robustness: logit ", k, " of an image is NaN or infinite");
    const float own = z[static_cast<std::size_t>(label)];
    first = first && (z[k] < own || (z[k] == own && static_cast<int>(k) >= label));
  }
  return first;
}

/// The wrong class of this rank by its logit, 0 having the largest; a tie counts for the lower class.
inline std::size_t wrong_class(std::span<const float> z, std::size_t label, int rank) {
  std::vector<std::size_t> order;
  for (std::size_t k = 0; k < z.size(); ++k)
    if (k != label) order.push_back(k);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return z[a] > z[b]; });
  return order[static_cast<std::size_t>(rank)];
}

/// What every attack asks of its arguments; throws `argument_error`.
template <class Target>
void check_batch(const char* who, const Target& target, const attack_batch& b) {
  const int images = b.images.extent(0);
  if (b.labels.extent(0) != images || std::ssize(b.streams) != images || std::ssize(b.robust) != images)
    fail<argument_error>(who, ": ", images, " images but ", b.labels.extent(0), " labels, ", b.streams.size(),
                         " streams and ", b.robust.size(), " flags");
  check_targets(who, b.labels, images, target.classes());
}

inline void check_strength(const char* who, float epsilon, const char* count_name, int count, int restarts) {
  if (!(epsilon >= 0 && std::isfinite(epsilon)))
    fail<argument_error>(who, ": epsilon is ", epsilon, ", must be 0 or more");
  if (count < 1) fail<argument_error>(who, ": ", count_name, " is ", count, ", must be 1 or more");
  if (restarts < 1) fail<argument_error>(who, ": restarts is ", restarts, ", must be 1 or more");
}

/// The images an attack still has to go at.
inline std::vector<int> remaining(std::span<const char> robust) {
  std::vector<int> r;
  for (std::size_t i = 0; i < robust.size(); ++i)
    if (robust[i]) r.push_back(static_cast<int>(i));
  return r;
}

template <class T>
std::span<T> image(const view<T, 4>& images, int i) {
  return {images.data() + i * images.stride(), static_cast<std::size_t>(images.stride())};
}

template <class Device>
void upload(const_image_view from, std::span<const int> which, const device_images<Device>& to) {
  for (std::size_t i = 0; i < which.size(); ++i)
    memory_copy(*to.device, image(from, which[i]), image<float>(to, static_cast<int>(i)));
}

/// The host's numbers, to where those of `to` begin.
template <class Device>
void upload(std::span<const float> from, const device_images<Device>& to) {
  memory_copy(*to.device, from, std::span<float>(to.data(), from.size()));
}

}  // namespace detail

/// Sets `robust` to whether the network classifies each image correctly. Throws `numeric_error` for NaN logits.
template <attack_target Target>
void judge(Target& target, const attack_batch& batch) {
  detail::check_batch("judge", target, batch);
  const int count = batch.images.extent(0);
  if (count == 0) return;
  image_buffer<typename Target::device_type> on_device(target.device(), batch.images.extents());
  detail::upload({batch.images.begin(), batch.images.end()}, on_device);
  tensor<float, 2> z({count, target.classes()});
  target.logits(on_device, z);
  for (int i = 0; i < count; ++i)
    batch.robust[static_cast<std::size_t>(i)] =
        detail::is_correct({z.data() + i * z.extent(1), static_cast<std::size_t>(z.extent(1))}, batch.labels(i));
}

}  // namespace advprop::robustness
