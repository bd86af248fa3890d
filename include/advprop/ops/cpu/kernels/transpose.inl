// Rows of 8 numbers become columns of 8.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

/// 8 rows of 8 numbers, `pitch` apart, turned: `to` has the same, `to_pitch` apart. `Add`: added to what is there.
template <bool Add = false>
ADVPROP_INLINE void transpose_8x8(const float* from, std::ptrdiff_t pitch, float* to, std::ptrdiff_t to_pitch) {
  typedef float row __attribute__((vector_size(32)));
  row r[8], s[8];
  ADVPROP_UNROLL
  for (int i = 0; i < 8; ++i) std::memcpy(&r[i], from + i * pitch, sizeof(row));
  ADVPROP_UNROLL
  for (int i = 0; i < 8; i += 2) {
    s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  ADVPROP_UNROLL
  for (int i = 0; i < 8; i += 4) {
    ADVPROP_UNROLL
    for (int j = 0; j < 2; ++j) {
      r[i + 2 * j] = __builtin_shufflevector(s[i + j], s[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[i + 2 * j + 1] = __builtin_shufflevector(s[i + j], s[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  ADVPROP_UNROLL
  for (int i = 0; i < 4; ++i) {
    s[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    s[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  ADVPROP_UNROLL
  for (int i = 0; i < 8; ++i) {
    if constexpr (Add) {
      row old;
      std::memcpy(&old, to + i * to_pitch, sizeof(row));
      s[i] += old;
    }
    std::memcpy(to + i * to_pitch, &s[i], sizeof(row));
  }
}

/// 8 rows of `count` numbers, `pitch` apart, as `count` rows of 8.
inline void transpose_to_eights(const float* from, std::ptrdiff_t pitch, int count, float* to) {
  int j = 0;
  for (; j + 8 <= count; j += 8) transpose_8x8(from + j, pitch, to + j * 8, 8);
  for (; j < count; ++j)
    for (int i = 0; i < 8; ++i) to[j * 8 + i] = from[i * pitch + j];
}

/// The reverse; added to what is there.
inline void add_eights_transposed(const float* from, int count, float* to, std::ptrdiff_t pitch) {
  int j = 0;
  for (; j + 8 <= count; j += 8) transpose_8x8<true>(from + j * 8, 8, to + j, pitch);
  for (; j < count; ++j)
    for (int i = 0; i < 8; ++i) to[i * pitch + j] += from[j * 8 + i];
}

}  // namespace advprop::ADVPROP_TARGET::detail
