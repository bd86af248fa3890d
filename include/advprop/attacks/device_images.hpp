// Images that know their device: what attacks read and write.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <advprop/core/host_device.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/device/arena.hpp>
#include <advprop/device/separate_memory.hpp>

namespace advprop {

/// NHWC images, or a gradient of that shape, in a device's memory.
template <class Device>
struct device_images : image_view {
  device_images(Device& d, image_view v) : image_view(v), device(&d) {}
  /// It would be the same memory: `objective.copy(images)` copies numbers.
  device_images(const device_images&) = delete;
  /// Images [first, first + count).
  device_images slice(int first, int count) { return {*device, image_view::slice(first, count)}; }
  /// Const, as what they are a part of: `transform` would else change them.
  const device_images slice(int first, int count) const { return {*device, image_view::slice(first, count)}; }
  Device* device;

 protected:  // It would look elsewhere rather than copy numbers, which `copy_images` does.
  device_images& operator=(const device_images&) = default;
};

/// An image batch that owns its memory, from the device's arena. It moves, leaving its source without.
template <class Device>
struct image_buffer : device_images<Device> {
  image_buffer(Device& d, std::array<int, 4> extents)
      : image_buffer(
            d, extents,
            d.memory().allocate(static_cast<std::size_t>(image_view(nullptr, extents).size()) * sizeof(float))) {}
  image_buffer(image_buffer&& other) noexcept
      : device_images<Device>(*other.device, other), memory(std::move(other.memory)) {}
  image_buffer& operator=(image_buffer&& other) noexcept {
    device_images<Device>::operator=(other);
    memory = std::move(other.memory);
    return *this;
  }
  arena::block memory;

 private:
  image_buffer(Device& d, std::array<int, 4> extents, arena::block m)
      : device_images<Device>(d, image_view(static_cast<float*>(m.data()), extents)), memory(std::move(m)) {}
};

/// One number per image, in the device's memory.
template <class Device>
struct image_numbers : image_buffer<Device> {
  image_numbers(Device& d, int images) : image_buffer<Device>(d, {images, 1, 1, 1}) {}
};

/// to = from; equal shapes. Either may lie in the host's memory.
template <class Device>
void copy_images(Device& d, const_image_view from, image_view to) {
  memory_copy(d, std::span<const float>(from.begin(), from.end()), std::span<float>(to.begin(), to.end()));
}

namespace detail {
template <class Device>
void take_images(const device_images<Device>&);
template <class Images>
concept any_images = requires(const Images& images) {
  take_images(images);
};
}  // namespace detail
/// What `copy_images` and `transform` write to: images that are not const, or some of them.
template <class Images>
concept images_to_change =
    detail::any_images<std::remove_reference_t<Images>> && !std::is_const_v<std::remove_reference_t<Images>>;
template <class Images>
concept images_to_keep =
    detail::any_images<std::remove_reference_t<Images>> && std::is_const_v<std::remove_reference_t<Images>>;

/// to = from; equal shapes.
template <class Device, images_to_change To>
void copy_images(const device_images<Device>& from, To&& to) {
  copy_images(*to.device, from, to);
}
template <class Device, images_to_keep To>
void copy_images(const device_images<Device>&, To&&) {
  static_assert(!std::is_const_v<std::remove_reference_t<To>>, "copy_images: the images to copy to are const");
}

namespace detail {
/// A batch where the device reads and changes it: where it is, or a copy if that is the host.
template <class Device>
class resident_images {
 public:
  resident_images(Device& d, image_view images) : at_(images) {
    if constexpr (separate_memory<Device>) {
      if (d.memory().owns(images.data())) return;
      image_buffer<Device> copy(d, images.extents());
      copy_images(d, images, copy);
      at_ = copy;
      memory_ = std::move(copy.memory);
    }
  }
  image_view view() const { return at_; }

 private:
  arena::block memory_;
  image_view at_;
};

/// A function of one number, for loops that hand on a second one.
template <class F>
struct of_one {
  F f;
  ADVPROP_HD float operator()(float x, float) const { return f(x); }
};

template <class Device>
void check_alike(const device_images<Device>& images, const device_images<Device>& other) {
  if (images.extents() != other.extents())
    fail<argument_error>("transform: there are ", images.size(), " numbers in ", images.extent(0), " images, and ",
                         other.size(), " in ", other.extent(0), " beside them; both must have one shape");
}
}  // namespace detail

/// images[i] = f(images[i]) for every number, on the images' device. f must not throw: its loop is vectorised and
/// shared out among threads, and an exception would end the process. On CUDA, it must be ADVPROP_HD.
template <images_to_change Images, class F>
void transform(Images&& images, F f) {
  transform(*images.device, images, const_image_view(images), detail::of_one<F>{f});
}
/// images[i] = f(images[i], a[i]). Throws `argument_error`, as those below, unless all have one shape.
template <images_to_change Images, class Device, class F>
void transform(Images&& images, const device_images<Device>& a, F f) {
  detail::check_alike(images, a);
  transform(*images.device, images, const_image_view(a), f);
}
/// images[i] = f(images[i], a[i], b[i]).
template <images_to_change Images, class Device, class F>
void transform(Images&& images, const device_images<Device>& a, const device_images<Device>& b, F f) {
  detail::check_alike(images, a);
  detail::check_alike(images, b);
  transform(*images.device, images, const_image_view(a), const_image_view(b), f);
}
/// images[i] = f(images[i], a[i], the number of i's image).
template <images_to_change Images, class Device, class F>
void transform(Images&& images, const device_images<Device>& a, const image_numbers<Device>& numbers, F f) {
  detail::check_alike(images, a);
  if (numbers.extent(0) < images.extent(0))
    fail<argument_error>("transform: there are numbers of ", numbers.extent(0), " images for ", images.extent(0));
  transform_images(*images.device, images, const_image_view(a), numbers.data(), f);
}

template <images_to_keep Images, class... Others>
void transform(Images&&, Others&&...) {
  static_assert(!std::is_const_v<std::remove_reference_t<Images>>,
                "transform: the images to change, which come first, are const");
}

}  // namespace advprop
