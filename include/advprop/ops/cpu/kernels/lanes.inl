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
    T e[N];
    std::fill_n(e, N, rest);
    std::memcpy(e, p, static_cast<std::size_t>(count) * sizeof(T));  // a loop makes g++ 12 warn of reads past p
    return lanes(e);
  }
  void store_some(T* p, int count) const {
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
  [[gnu::always_inline]] lanes& operator+=(const lanes& b) { return *this = *this + b; }
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

/// max(x, 0); a NaN stays one.
[[gnu::always_inline]] inline f8 positive(const f8& x) { return select(f8(0.f) > x, f8(0.f), x); }

/// min(max(x, 0), 6); a NaN stays one.
[[gnu::always_inline]] inline f8 positive_to_6(const f8& x) { return select(x > f8(6.f), f8(6.f), positive(x)); }

/// e^x to 2 ulp for x in [-87, 88], clamped there; a NaN stays one. Cephes' polynomial (Moshier, expf).
[[gnu::always_inline]] inline f8 exp(const f8& x) {
  f8 r;
  for (int i = 0; i < f8::parts; ++i) {
    typedef std::int32_t integers __attribute__((vector_size(f8::bytes)));
    using vec = f8::vec;
    const vec low = -87.f - vec{}, high = 88.f - vec{};
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
[[gnu::always_inline]] inline f8 logistic(const f8& x) {
  const f8 t = select(x > f8(-87.f), x, select(x == x, f8(-87.f), x));  // keeps the quotient a normal number
  return f8(1.f) / (f8(1.f) + exp(f8(0.f) - t));
}

}  // namespace advprop::ADVPROP_TARGET::detail
