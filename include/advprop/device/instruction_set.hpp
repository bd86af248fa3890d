// The instruction sets that the CPU's kernels are compiled for, and which of them this processor has.
#pragma once

#include <span>
#include <string_view>

#include <advprop/core/linkage.hpp>

// The kernels are compiled for what the compiler's command line allows, ADVPROP_BASELINE, and on x86 besides for every
// better set, by function targets (ops/cpu/kernels.hpp).
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__FMA__)
#define ADVPROP_BASELINE avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define ADVPROP_BASELINE avx2
#define ADVPROP_TARGETS_AVX512
#else
#define ADVPROP_BASELINE portable
#if defined(__x86_64__)
#define ADVPROP_TARGETS_AVX2
#define ADVPROP_TARGETS_AVX512
#endif
#endif

namespace advprop {

/// portable: what the compiler may use without being told more. avx2: with FMA. avx512: F, DQ, BW and VL.
enum class instruction_set { portable, avx2, avx512 };

constexpr std::string_view name(instruction_set s) {
  return s == instruction_set::avx512 ? "avx512" : s == instruction_set::avx2 ? "avx2" : "portable";
}

/// Whether this processor (and the operating system) can run it.
inline bool processor_has([[maybe_unused]] instruction_set s) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  if (s == instruction_set::avx2) return avx2;
  if (s == instruction_set::avx512)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return true;
#else
  return s == instruction_set::portable;
#endif
}

/// The sets that the kernels were compiled for and this processor has, the best last. The first is the compiler's own.
ADVPROP_API std::span<const instruction_set> instruction_sets();

/// The best of `instruction_sets()`. On a processor without what the compiler was told to use: that, which it lacks.
ADVPROP_API instruction_set best_instruction_set();

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/device/instruction_set.inl>
#endif
