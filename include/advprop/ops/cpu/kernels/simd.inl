// The widest float vector of the target, by GCC's vector extensions (clang has them too); one type, a few functions.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::simd {

inline constexpr int lanes = ADVPROP_TARGET_BYTES / 4;

typedef float vec __attribute__((vector_size(ADVPROP_TARGET_BYTES)));
typedef float unaligned_vec __attribute__((vector_size(ADVPROP_TARGET_BYTES), aligned(4), may_alias));
typedef float half_vec __attribute__((vector_size(ADVPROP_TARGET_BYTES / 2)));
typedef float unaligned_half_vec __attribute__((vector_size(ADVPROP_TARGET_BYTES / 2), aligned(4), may_alias));

ADVPROP_INLINE vec load(const float* p) { return *reinterpret_cast<const unaligned_vec*>(p); }
ADVPROP_INLINE void store(float* p, vec v) { *reinterpret_cast<unaligned_vec*>(p) = v; }

/// Asks for the cache lines of `Floats` floats that will soon be read; they may lie outside any array: nothing is read
/// there.
template <int Floats>
ADVPROP_INLINE void prefetch(const float* p) {
  ADVPROP_UNROLL
  for (int i = 0; i < Floats; i += 16) __builtin_prefetch(p + i);
}

/// Loads channels [first, first + lanes) of one pixel of a blocked map: block b lies at p + b * pitch, of `blocks`.
/// Blocks that are not there give zero. `first` is a multiple of `lanes`.
ADVPROP_INLINE vec load_channels(const float* p, std::ptrdiff_t pitch, int first, int blocks) {
  const int b = first / cpu::channel_block;
#if ADVPROP_TARGET_BYTES == 64
  half_vec low{}, high{};
  if (b < blocks) low = *reinterpret_cast<const unaligned_half_vec*>(p + b * pitch);
  if (b + 1 < blocks) high = *reinterpret_cast<const unaligned_half_vec*>(p + (b + 1) * pitch);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  if (b >= blocks) return vec{};
  return load(p + b * pitch + first % cpu::channel_block);
#endif
}

/// The reverse of `load_channels`; leaves out blocks that are not there.
ADVPROP_INLINE void store_channels(float* p, std::ptrdiff_t pitch, int first, int blocks, vec v) {
  const int b = first / cpu::channel_block;
#if ADVPROP_TARGET_BYTES == 64
  if (b < blocks)
    *reinterpret_cast<unaligned_half_vec*>(p + b * pitch) = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  if (b + 1 < blocks)
    *reinterpret_cast<unaligned_half_vec*>(p + (b + 1) * pitch) =
        __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  if (b < blocks) store(p + b * pitch + first % cpu::channel_block, v);
#endif
}

}  // namespace advprop::ADVPROP_TARGET::simd
