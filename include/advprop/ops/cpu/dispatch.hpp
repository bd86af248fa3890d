// How an operation is handed on to the kernels of the device's instruction set.
#pragma once

#include <advprop/device/cpu.hpp>

#if defined(ADVPROP_COMPILED) && !defined(ADVPROP_KERNELS_SOURCE)

#define ADVPROP_DISPATCH(call)

#else

#include <advprop/ops/cpu/kernels.hpp>

#if defined(ADVPROP_TARGETS_AVX2)
#define ADVPROP_CALL_AVX2(call) \
  if (d.instructions() == instruction_set::avx2) return avx2::call;
#else
#define ADVPROP_CALL_AVX2(call)
#endif
#if defined(ADVPROP_TARGETS_AVX512)
#define ADVPROP_CALL_AVX512(call) \
  if (d.instructions() == instruction_set::avx512) return avx512::call;
#else
#define ADVPROP_CALL_AVX512(call)
#endif

/// The body of an operation: the call, in the namespace of device d's instruction set. A semicolon comes after it.
#define ADVPROP_DISPATCH(call)                                                         \
  { ADVPROP_CALL_AVX512(call) ADVPROP_CALL_AVX2(call) return ADVPROP_BASELINE::call; } \
  static_assert(true)

#endif
