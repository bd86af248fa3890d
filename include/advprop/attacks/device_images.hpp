// Images that know their device: what attacks read and write.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/device/arena.hpp>

namespace advprop {

/// NHWC images, or a gradient of that shape, in a device's memory.
template <class Device>
struct device_images : image_view {
  device_images(Device& d, image_view v) : image_view(v), device(&d) {}
  device_images(const device_images&) = default;
  /// Images [first, first + count).
  device_images slice(int first, int count) const { return {*device, image_view::slice(first, count)}; }
  Device* device;

 protected:  // It would look elsewhere rather than copy numbers, which `copy_images` does.
  device_images& operator=(const device_images&) = default;
};

/// An image batch that owns its memory, from the device's arena.
template <class Device>
struct image_buffer : device_images<Device> {
  image_buffer(Device& d, std::array<int, 4> extents)
      : image_buffer(
            d, extents,
            d.memory().allocate(static_cast<std::size_t>(image_view(nullptr, extents).size()) * sizeof(float))) {}
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

/// to = from; equal shapes.
template <class Device>
void copy_images(const device_images<Device>& from, const device_images<Device>& to) {
  memory_copy(*to.device, std::span<const float>(from.begin(), from.end()), std::span<float>(to.begin(), to.end()));
}

/// images[i] = f(images[i], a[i]) for every number, on the images' device. On CUDA, f must be ADVPROP_HD.
template <class Device, class F>
void transform(const device_images<Device>& images, const device_images<Device>& a, F f) {
  transform(*images.device, images, const_image_view(a), f);
}
/// images[i] = f(images[i], a[i], b[i]).
template <class Device, class F>
void transform(const device_images<Device>& images, const device_images<Device>& a, const device_images<Device>& b,
               F f) {
  transform(*images.device, images, const_image_view(a), const_image_view(b), f);
}
/// images[i] = f(images[i], a[i], the number of i's image).
template <class Device, class F>
void transform(const device_images<Device>& images, const device_images<Device>& a,
               const image_numbers<Device>& numbers, F f) {
  transform_images(*images.device, images, const_image_view(a), numbers.data(), f);
}

}  // namespace advprop
