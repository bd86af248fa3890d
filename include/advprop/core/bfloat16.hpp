// Half of a float's bits: the same range, 8 bits of precision.
#pragma once

#include <bit>
#include <cstdint>

#include <advprop/core/host_device.hpp>

namespace advprop {

/// A number in memory; arithmetic is float's. Made from a float by rounding to nearest, ties to even.
struct bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  ADVPROP_HD explicit bfloat16(float f) {
#if defined(__CUDA_ARCH__)
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(f));
#else
    const auto u = std::bit_cast<std::uint32_t>(f);
    bits = static_cast<std::uint16_t>(f != f ? u >> 16 | 0x40 : (u + 0x7FFF + (u >> 16 & 1)) >> 16);
#endif
  }
  ADVPROP_HD operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }  // NOLINT: exact
};

}  // namespace advprop
