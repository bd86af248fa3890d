// What a GPU's libraries make before they can compute, made ahead of a pass.
#pragma once

#include <array>
#include <cstddef>
#include <exception>

#include <advprop/core/target_view.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/device/arena.hpp>
#include <advprop/device/work.hpp>

namespace advprop::detail {

/// Images that only have addresses, and labels.
struct planned_images {
  arena memory{arena::backing::addresses};
  arena::block block;
  tensor<int, 1> labels;
  image_view images;

  explicit planned_images(const std::array<int, 4>& extents)
      : block(memory.allocate(static_cast<std::size_t>(image_view(nullptr, extents).size()) * sizeof(float))),
        labels({extents[0]}),
        images(static_cast<float*>(block.data()), extents) {}
};

/// An address for each type.
template <class T>
inline constexpr char address_of_type = 0;

/// What pass(net, images) will ask of the libraries of the network's device is made ready by all of the host's cores,
/// once for a pass's type and the images' extents: the pass runs on a twin of the network that computes nothing.
/// Nothing on a device without libraries.
template <class Model, class Pass>
void prepare([[maybe_unused]] Model& net, [[maybe_unused]] const std::array<int, 4>& extents,
             [[maybe_unused]] const Pass& pass) {
  [[maybe_unused]] auto& device = net.device();
  if constexpr (requires { device.prepare(device); }) {
    if (!device.is_new(&address_of_type<Pass>, extents)) return;
    try {
      typename Model::device_type dry(dry_run{}, device);
      Model twin(dry);
      pass(twin, planned_images(extents));
      device.prepare(dry);
    } catch (const std::exception&) {  // comes again with the images themselves
    }
  }
}

}  // namespace advprop::detail
