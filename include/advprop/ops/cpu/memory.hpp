// Copies within the CPU's memory and to and from the host, which is the same here.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>

#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu/work.hpp>

namespace advprop {

/// Equal sizes. The host may be either side.
inline void memory_copy(cpu& d, std::span<const float> from, std::span<float> to) {
  if (d.dry()) return work::note(d, work::memory_copy(d, from, to));
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size() * sizeof(float));
}

/// Exchanges the numbers of two places in the device's memory that do not overlap; equal sizes.
inline void memory_swap(cpu& d, std::span<float> a, std::span<float> b) {
  if (d.dry()) return work::note(d, work::memory_swap(d, a, b));
  std::swap_ranges(a.begin(), a.end(), b.begin());
}

/// Equal shapes.
inline void memory_copy(cpu& d, feature_view<const float> from, feature_view<float> to) {
  if (d.dry()) return work::note(d, work::memory_copy(d, from, to));
  std::memcpy(to.data, from.data, static_cast<std::size_t>(cpu::elements(from.batch, from.image())) * sizeof(float));
}

}  // namespace advprop
