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

/// a * b + c, rounded once where the target can. g++ makes of `a * b + c` one instruction or two, and of `a * b + c *
/// d` either sum, as the code around it suggests: copies of one loop, for a row of tiles and for a single one, may then
/// round differently. So numbers whose bits must not depend on the path to them are multiplied and added by this, and
/// have no product beside a sum that does not stand here. clang's own multiply-add is never taken apart.
template <class V>
ADVPROP_INLINE V fused(V a, V b, V c) {
#if ADVPROP_TARGET_FUSES && !defined(__clang__)
#if defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
#if ADVPROP_TARGET_BYTES == 64
  if constexpr (sizeof(V) == 64) return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4);  // 4: the usual rounding
#endif
  if constexpr (sizeof(V) == 32) return __builtin_ia32_vfmaddps256(a, b, c);
  if constexpr (sizeof(V) == 16) return __builtin_ia32_vfmaddps(a, b, c);
#endif
#else
  return a * b + c;
#endif
}
ADVPROP_INLINE vec fused(float a, vec b, vec c) { return fused(a - vec{}, b, c); }

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

/// `Count` numbers again and again, 1, 2 or (AVX-512) 4; a scalar where that is one.
template <int Count>
ADVPROP_INLINE auto repeat(const float* p) {
  if constexpr (Count == 1) {
    return *p;
  } else if constexpr (Count == 2) {
    typedef long long pair __attribute__((aligned(4), may_alias));
    typedef long long pairs __attribute__((vector_size(ADVPROP_TARGET_BYTES)));
    return reinterpret_cast<vec>(*reinterpret_cast<const pair*>(p) - pairs{});
  } else {
#if ADVPROP_TARGET_BYTES == 64
    typedef float four __attribute__((vector_size(16)));
    typedef float unaligned_four __attribute__((vector_size(16), aligned(4), may_alias));
    const four v = *reinterpret_cast<const unaligned_four*>(p);
#if defined(__clang__)
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
#else  // for which g++ 12 goes through memory
    return __builtin_ia32_broadcastf32x4_512(v, vec{}, -1);
#endif
#endif
  }
}

/// The lanes as a matrix of that many rows, transposed.
template <int Rows>
ADVPROP_INLINE vec turn(vec v) {
  if constexpr (Rows == 1 || Rows == lanes)
    return v;
  else
    return []<int... I>(vec u, std::integer_sequence<int, I...>) __attribute__((always_inline)) {
      return __builtin_shufflevector(u, u, (I % Rows * (lanes / Rows) + I / Rows)...);
    }
  (v, std::make_integer_sequence<int, lanes>());
}

}  // namespace advprop::ADVPROP_TARGET::simd
