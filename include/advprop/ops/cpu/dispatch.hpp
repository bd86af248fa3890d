// How an operation is handed on to the kernels of the device's instruction set.
#pragma once

#include <advprop/device/cpu.hpp>

#if defined(ADVPROP_COMPILED) && !defined(ADVPROP_KERNELS_SOURCE)

#define ADVPROP_DISPATCH(call)
#define ADVPROP_OPERATION(call)
#define ADVPROP_OPERATION_WITH_WORKSPACE(call)

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

/// A function's body: the call, in the namespace of device d's instruction set.
#define ADVPROP_KERNEL(call) \
  { ADVPROP_CALL_AVX512(call) ADVPROP_CALL_AVX2(call) return ADVPROP_BASELINE::call; }

/// The same before a semicolon.
#define ADVPROP_DISPATCH(call) ADVPROP_KERNEL(call) static_assert(true)

/// The body of an operation: a dry run writes it down instead.
#define ADVPROP_OPERATION(call)                    \
  {                                                \
    if (d.dry()) return work::note(d, work::call); \
    ADVPROP_KERNEL(call)                           \
  }                                                \
  static_assert(true)

/// The same where the kernel takes memory: a dry run runs it that far.
#define ADVPROP_OPERATION_WITH_WORKSPACE(call)                               \
  {                                                                          \
    if (d.dry()) return work::note(d, work::call, [&] ADVPROP_KERNEL(call)); \
    ADVPROP_KERNEL(call)                                                     \
  }                                                                          \
  static_assert(true)

#include <advprop/ops/cpu/work.hpp>

#endif
