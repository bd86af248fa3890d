// The device that a run's networks live on: --device.
#pragma once

#include <cstddef>
#include <memory>
#include <variant>

#include <advprop/device/cpu.hpp>
#ifdef ADVPROP_HAS_CUDA
#include <advprop/device/cuda.hpp>
#endif

#include "settings.hpp"

namespace advprop::program {

/// Outlives the networks on it.
class any_device {
 public:
  explicit any_device(std::unique_ptr<cpu> d) : which_(std::move(d)) {}
#ifdef ADVPROP_HAS_CUDA
  explicit any_device(std::unique_ptr<cuda> d) : which_(std::move(d)) {}
  explicit any_device(std::unique_ptr<cuda_bfloat16> d) : which_(std::move(d)) {}
#endif

  /// f(device), of the device's own type.
  template <class F>
  decltype(auto) visit(F&& f) {
    return std::visit([&](auto& d) -> decltype(auto) { return f(*d); }, which_);
  }
  /// Most bytes in use at one time.
  std::size_t peak() {
    return visit([](auto& d) { return d.memory().peak(); });
  }
  /// Takes what a run was planned to need from a GPU at once, if it is there: piece by piece, a sixth more is taken.
  void reserve(std::size_t bytes) {
    visit([&](auto& d) {
      if constexpr (requires { d.free_memory(); })
        if (bytes <= d.free_memory()) d.memory().reserve(bytes);
    });
  }

 private:
  std::variant<std::unique_ptr<cpu>
#ifdef ADVPROP_HAS_CUDA
               ,
               std::unique_ptr<cuda>, std::unique_ptr<cuda_bfloat16>
#endif
               >
      which_;
};

/// Bytes of memory that this process may have, swap included.
std::size_t host_memory();

/// What --device, --engines, --threads and --convolution say. Throws `argument_error` for a device that this program
/// was built without, `error` where there is no GPU.
any_device device_of(const settings& s);
/// The same for a dry run, which needs no GPU.
any_device dry_device_of(const settings& s);

}  // namespace advprop::program
