// The definitions of instruction_set.hpp (core/linkage.hpp).
#pragma once

#include <span>

#include <advprop/device/instruction_set.hpp>

namespace advprop {

ADVPROP_API std::span<const instruction_set> instruction_sets() {
  static constexpr instruction_set compiled[] = {
    instruction_set::ADVPROP_BASELINE,
#if defined(ADVPROP_TARGETS_AVX2)
    instruction_set::avx2,
#endif
#if defined(ADVPROP_TARGETS_AVX512)
    instruction_set::avx512,
#endif
  };
  std::span<const instruction_set> sets(compiled);
  while (!sets.empty() && !processor_has(sets.back())) sets = sets.first(sets.size() - 1);
  return sets;
}

ADVPROP_API instruction_set best_instruction_set() {
  const auto sets = instruction_sets();
  return sets.empty() ? instruction_set::ADVPROP_BASELINE : sets.back();
}

}  // namespace advprop
