// Whether a device's memory is not the host's.
#pragma once

namespace advprop::detail {

template <class Device>
concept separate_memory = requires {
  requires !Device::host_memory;
};

}  // namespace advprop::detail
