// Functions that run on the processor and on the GPU.
#pragma once

#ifdef __CUDACC__
#define ADVPROP_HD __host__ __device__
#else
#define ADVPROP_HD
#endif

namespace advprop {

/// Whether the library advprop::cuda holds the loops of this function of a number's (attacks/loops.hpp) compiled.
template <class F>
inline constexpr bool in_cuda_library = false;

}  // namespace advprop
