// Eight channels at a time.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

using namespace advprop::detail;  // the shared loops

inline constexpr int vector_bytes = ADVPROP_TARGET_BYTES;

/// N numbers, by default one channel block of one pixel. Made of the target's own vectors, as GCC does wider ones a
/// scalar at a time.
template <class T, int N = 8>
struct lanes {
  static constexpr int bytes = std::min(N * static_cast<int>(sizeof(T)), vector_bytes);
  static constexpr int width = bytes / static_cast<int>(sizeof(T)), parts = N / width;
  typedef T vec __attribute__((vector_size(bytes)));
  using flags = decltype(vec{} > vec{});
  struct mask {
    flags v[parts];
  };

  vec v[parts];

  lanes() = default;
  [[gnu::always_inline]] lanes(T value) {
    for (auto& p : v) p = value - vec{};
  }
  [[gnu::always_inline]] explicit lanes(const T* p) { std::memcpy(v, p, sizeof v); }
  [[gnu::always_inline]] void store(T* p) const { std::memcpy(p, v, sizeof v); }

  /// The first `count` numbers at p, then `rest`.
  static lanes some(const T* p, int count, T rest = 0) {
    if (count == N) return lanes(p);
    T e[N];
    std::fill_n(e, N, rest);
    std::memcpy(e, p, static_cast<std::size_t>(count) * sizeof(T));  // a loop makes g++ 12 warn of reads past p
    return lanes(e);
  }
  void store_some(T* p, int count) const {
    if (count == N) return store(p);
    T e[N];
    store(e);
    for (int i = 0; i < count; ++i) p[i] = e[i];
  }

  [[gnu::always_inline]] friend lanes operator+(lanes a, const lanes& b) {
    for (int i = 0; i < parts; ++i) a.v[i] += b.v[i];
    return a;
  }
  [[gnu::always_inline]] friend lanes operator-(lanes a, const lanes& b) {
    for (int i = 0; i < parts; ++i) a.v[i] -= b.v[i];
    return a;
  }
  [[gnu::always_inline]] friend lanes operator*(lanes a, const lanes& b) {
    for (int i = 0; i < parts; ++i) a.v[i] *= b.v[i];
    return a;
  }
  [[gnu::always_inline]] friend lanes operator/(lanes a, const lanes& b) {
    for (int i = 0; i < parts; ++i) a.v[i] /= b.v[i];
    return a;
  }
  [[gnu::always_inline]] friend lanes operator-(lanes a) {
    for (int i = 0; i < parts; ++i) a.v[i] = -a.v[i];
    return a;
  }
  [[gnu::always_inline]] lanes& operator+=(const lanes& b) { return *this = *this + b; }

  /// As for vectors: simd.inl.
  [[gnu::always_inline]] friend lanes fused(lanes a, const lanes& b, const lanes& c) {
    for (int i = 0; i < parts; ++i) a.v[i] = simd::fused(a.v[i], b.v[i], c.v[i]);
    return a;
  }
  [[gnu::always_inline]] friend mask operator>(const lanes& a, const lanes& b) {
    mask m;
    for (int i = 0; i < parts; ++i) m.v[i] = a.v[i] > b.v[i];
    return m;
  }
  [[gnu::always_inline]] friend mask operator==(const lanes& a, const lanes& b) {
    mask m;
    for (int i = 0; i < parts; ++i) m.v[i] = a.v[i] == b.v[i];
    return m;
  }
  [[gnu::always_inline]] friend lanes select(const mask& m, lanes a, const lanes& b) {
    for (int i = 0; i < parts; ++i) a.v[i] = m.v[i] ? a.v[i] : b.v[i];
    return a;
  }
};
using f8 = lanes<float>;
using d8 = lanes<double>;

/// Two blocks side by side, and back.
template <class V>
[[gnu::always_inline]] inline lanes<float, 16> join(const V& low, const V& high) {
  lanes<float, 16> r;
  if constexpr (decltype(r)::parts < V::parts * 2) {
    r.v[0] = __builtin_shufflevector(low.v[0], high.v[0], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  } else {
    for (int i = 0; i < V::parts; ++i) r.v[i] = low.v[i], r.v[V::parts + i] = high.v[i];
  }
  return r;
}
template <class V>
[[gnu::always_inline]] inline f8 lower_half(const V& x) {
  f8 r;
  if constexpr (V::parts == 1) {
    r.v[0] = __builtin_shufflevector(x.v[0], x.v[0], 0, 1, 2, 3, 4, 5, 6, 7);
  } else {
    for (int i = 0; i < f8::parts; ++i) r.v[i] = x.v[i];
  }
  return r;
}
template <class V>
[[gnu::always_inline]] inline f8 upper_half(const V& x) {
  f8 r;
  if constexpr (V::parts == 1) {
    r.v[0] = __builtin_shufflevector(x.v[0], x.v[0], 8, 9, 10, 11, 12, 13, 14, 15);
  } else {
    for (int i = 0; i < f8::parts; ++i) r.v[i] = x.v[f8::parts + i];
  }
  return r;
}

inline d8 widen(const f8& x) {
  float e[8];
  double w[8];
  x.store(e);
  for (int i = 0; i < 8; ++i) w[i] = e[i];
  return d8(w);
}
inline f8 narrow(const d8& x) {
  double w[8];
  float e[8];
  x.store(w);
  for (int i = 0; i < 8; ++i) e[i] = static_cast<float>(w[i]);
  return f8(e);
}

/// As many pixels of a channel block as one vector of the target holds.
inline constexpr int vector_pixels = std::max(1, vector_bytes / 32);
using wide = lanes<float, vector_pixels * 8>;

/// Two vectors, each one pixel of two channel blocks, become two pixels of each block; and back.
template <class V>
[[gnu::always_inline]] inline void exchange_halves(V& a, V& b) {
  if constexpr (V::parts == 1) {
    const auto low = __builtin_shufflevector(a.v[0], b.v[0], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    b.v[0] = __builtin_shufflevector(a.v[0], b.v[0], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    a.v[0] = low;
  } else {
    for (int i = 0; i < f8::parts; ++i) std::swap(a.v[f8::parts + i], b.v[i]);
  }
}

/// A pixel in the first lanes, zero in the others.
template <class V = wide>
[[gnu::always_inline]] inline V first_pixel(const f8& x) {
  if constexpr (std::is_same_v<V, f8>)
    return x;
  else
    return join(x, f8(0.f));
}
/// The same numbers for each pixel.
template <class V = wide>
[[gnu::always_inline]] inline V each_pixel(const f8& x) {
  if constexpr (std::is_same_v<V, f8>)
    return x;
  else
    return join(x, x);
}
/// The sum over the pixels.
template <class V>
[[gnu::always_inline]] inline f8 sum_pixels(const V& w) {
  if constexpr (std::is_same_v<V, f8>)
    return w;
  else
    return lower_half(w) + upper_half(w);
}
/// A vector of pixels from p on, or one pixel only.
template <bool Whole>
[[gnu::always_inline]] inline wide load_pixels(const float* p) {
  return Whole ? wide(p) : first_pixel(f8(p));
}
template <bool Whole>
[[gnu::always_inline]] inline void store_pixels(const wide& w, float* p) {
  std::memcpy(p, &w, Whole ? sizeof w : sizeof(f8));
}
/// Calls f<whole>(offset, i) for the pixels [first, first + count) of a block: vectors of them, then the rest one by
/// one; i is 0 and 1 in turn, for sums that need not wait for each other.
template <class F>
[[gnu::always_inline]] inline void for_pixels(std::ptrdiff_t first, int count, F&& f) {
  constexpr std::ptrdiff_t step = wide::parts * wide::width;
  std::ptrdiff_t i = first * 8;
  const std::ptrdiff_t end = i + std::ptrdiff_t{count} * 8;
  for (; i + 2 * step <= end; i += 2 * step)
    f.template operator()<true>(i, 0), f.template operator()<true>(i + step, 1);
  if (i + step <= end) f.template operator()<true>(i, 0), i += step;
  if constexpr (vector_pixels > 1)
    for (; i < end; i += 8) f.template operator()<false>(i, 1);
}

/// max(x, 0); a NaN stays one.
template <int N>
[[gnu::always_inline]] inline lanes<float, N> positive(const lanes<float, N>& x) {
  const lanes<float, N> zero(0.f);
  return select(zero > x, zero, x);
}

/// min(max(x, 0), 6); a NaN stays one.
template <int N>
[[gnu::always_inline]] inline lanes<float, N> positive_to_6(const lanes<float, N>& x) {
  const lanes<float, N> six(6.f);
  return select(x > six, six, positive(x));
}

/// e^x to 2 ulp for x in [-87, 87], clamped there; a NaN stays one. Cephes' polynomial (Moshier, expf).
template <int N>
[[gnu::always_inline]] inline lanes<float, N> exp(const lanes<float, N>& x) {
  using vec = typename lanes<float, N>::vec;
  typedef std::int32_t integers __attribute__((vector_size(sizeof(vec))));
  lanes<float, N> r;
  for (int i = 0; i < r.parts; ++i) {
    const vec low = -87.f - vec{}, high = 87.f - vec{};
    vec a = low > x.v[i] ? low : x.v[i];
    a = a > high ? high : a;
    const vec rounded = a * 1.44269504088896341f + 0x1.8p23f;  // the integer sits in the low bits
    const vec n = rounded - 0x1.8p23f;
    a = a - n * 0.693359375f;
    a = a - n * -2.12194440e-4f;
    vec p = a * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * a + 8.3334519073e-3f;
    p = p * a + 4.1665795894e-2f;
    p = p * a + 1.6666665459e-1f;
    p = p * a + 5.0000001201e-1f;
    p = p * (a * a) + a + 1.f;
    integers power, bits;
    std::memcpy(&power, &rounded, sizeof power);
    std::memcpy(&bits, &p, sizeof bits);
    bits += power << 23;
    std::memcpy(&p, &bits, sizeof p);
    r.v[i] = p;
  }
  return r;
}
/// 1 / (1 + e^-x); a normal number, as `exp` is clamped.
template <int N>
[[gnu::always_inline]] inline lanes<float, N> logistic(const lanes<float, N>& x) {
  const lanes<float, N> one(1.f);
  return one / (one + exp(lanes<float, N>(0.f) - x));
}

}  // namespace advprop::ADVPROP_TARGET::detail
