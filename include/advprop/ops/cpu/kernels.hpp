// The kernels of the CPU's operations, compiled once for each instruction set into a namespace of its name, as
// Highway's foreach_target does; and how an operation is handed on to the device's set.
#pragma once

#if defined(ADVPROP_COMPILED) && !defined(ADVPROP_KERNELS_SOURCE)
#error "A program that links advprop::compiled has the kernels there: include advprop/ops/cpu.hpp instead."
#endif

#if !defined(__OPTIMIZE__) && !defined(ADVPROP_UNOPTIMIZED)
#pragma message( \
    "advprop: without -O2 a step takes a hundred times as long. Set CMAKE_BUILD_TYPE to Release or link advprop::compiled, which is always optimised; define ADVPROP_UNOPTIMIZED if this is meant.")
#endif

// Everything that the kernels use stands here, before any function target: what is instantiated from it keeps to the
// compiler's own instruction set wherever it is called from, so that the linker may pick any copy of it. For the same
// reason the kernels define nothing outside ADVPROP_TARGET. A constructor that the compiler writes itself has no
// function target in g++, so structs that start with vectors of numbers have one of their own.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <advprop/core/parallel.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/core/target_view.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu/conv_engine.hpp>
#include <advprop/ops/cpu/conv_gemm.hpp>
#include <advprop/ops/cpu/loops.hpp>
#include <advprop/ops/loss_result.hpp>
#include <advprop/ops/norm_parameters.hpp>

/// Before a loop with a constant count: unroll it whole, also at -O2, so that arrays of vectors become registers.
#if defined(__clang__)
#define ADVPROP_UNROLL _Pragma("clang loop unroll(full)")
#else
#define ADVPROP_UNROLL _Pragma("GCC unroll 32")
#endif

#define ADVPROP_INLINE inline __attribute__((always_inline))

// g++ warns of every array that is as long as an int of a template's parameters says.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"

// ADVPROP_TARGET is the set's namespace, ADVPROP_TARGET_BYTES its widest vector, ADVPROP_TARGET_FUSES whether it
// multiplies and adds at once. g++ redefines __AVX512F__ and the like
// in a function target and clang does not, so kernels do not ask for them.
#define ADVPROP_TARGET ADVPROP_BASELINE
#if defined(__AVX512F__)
#define ADVPROP_TARGET_BYTES 64
#elif defined(__AVX__)
#define ADVPROP_TARGET_BYTES 32
#else
#define ADVPROP_TARGET_BYTES 16
#endif
#if defined(__FMA__) || defined(__aarch64__)
#define ADVPROP_TARGET_FUSES 1
#else
#define ADVPROP_TARGET_FUSES 0
#endif
#include <advprop/ops/cpu/kernels/all.inl>
#undef ADVPROP_TARGET
#undef ADVPROP_TARGET_BYTES
#undef ADVPROP_TARGET_FUSES

#if defined(ADVPROP_TARGETS_AVX2)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2")
#endif
#define ADVPROP_TARGET avx2
#define ADVPROP_TARGET_BYTES 32
#define ADVPROP_TARGET_FUSES 1
#include <advprop/ops/cpu/kernels/all.inl>
#undef ADVPROP_TARGET
#undef ADVPROP_TARGET_BYTES
#undef ADVPROP_TARGET_FUSES
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#if defined(ADVPROP_TARGETS_AVX512)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi,bmi2"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi,bmi2")
#endif
#define ADVPROP_TARGET avx512
#define ADVPROP_TARGET_BYTES 64
#define ADVPROP_TARGET_FUSES 1
#include <advprop/ops/cpu/kernels/all.inl>
#undef ADVPROP_TARGET
#undef ADVPROP_TARGET_BYTES
#undef ADVPROP_TARGET_FUSES
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#pragma GCC diagnostic pop
