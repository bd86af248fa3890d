// Winograd's algorithms for 3x3 kernels (Lavin & Gray, CVPR 2016): their transforms in one dimension.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

// How it works. An output is cut into tiles of M x M pixels, which depend on (M+2) x (M+2) of the input. In a
// transformed space of P x P = (M+2)^2 points the convolution is one matrix product a point,
//   M[point] = V[point] (tiles x in) * U[point] (in x out),    V = B^T d B,  U = G g G^T,  y = A^T m A,
// which takes 9 M^2 / P^2 times fewer multiplications: 4 for M = 4, 2.25 for M = 2. The gradient of the input is the
// same with turned weights; that of the weights is the adjoint, G^T [sum over tiles of V x (A dy A^T)] G. V lies as
// [point][channel block][tile][8], U as [slice of outputs][point][input][outputs], M as [point][tile][outputs].

/// The sizes of an algorithm in one dimension: a tile reads `Reads` pixels, `Step` from the next one's first, and
/// writes `Tile`; V, U and M have as many points as the others say.
template <int Reads, int Step, int Tile, int V, int U, int M>
struct winograd_sizes {
  static constexpr int reads = Reads, step = Step, tile = Tile, v_side = V, u_side = U, m_side = M;
  static constexpr std::ptrdiff_t v_points = V * V, u_points = U * U, m_points = M * M;
};

/// One term of the products, by its points: M[m] += V[v] * U[u]; whether it is the first of its M, or of its U.
struct winograd_term {
  int v, u, m;
  bool starts_m, starts_u;
};

template <int M>
struct winograd_stride_1 : winograd_sizes<M + 2, M, M, M + 2, M + 2, M + 2> {
  template <class F>
  static void for_terms(F f) {
    for (int p = 0; p < (M + 2) * (M + 2); ++p) f(winograd_term{p, p, p, true, true});
  }
};

/// One-dimensional transforms of F(M, 3) by polynomial interpolation at 0, pairs of points +-p, and infinity.
template <int M>
struct winograd;

template <>
struct winograd<2> : winograd_stride_1<2> {
  template <class V>
  ADVPROP_INLINE static void input(const V (&d)[4], V (&r)[4]) {
    r[0] = d[2] - d[0], r[1] = d[2] + d[1], r[2] = d[2] - d[1], r[3] = d[3] - d[1];
  }
  template <class V>
  ADVPROP_INLINE static void weight(const V (&g)[3], V (&r)[4]) {
    const V even = (g[0] + g[2]) * V(0.5f), odd = g[1] * V(0.5f);
    r[0] = V(0.f) - g[0], r[1] = even + odd, r[2] = even - odd, r[3] = g[2];
  }
  template <class V>
  ADVPROP_INLINE static void weight_adjoint(const V (&u)[4], V (&r)[3]) {
    const V even = (u[1] + u[2]) * V(0.5f);
    r[0] = even - u[0], r[1] = (u[1] - u[2]) * V(0.5f), r[2] = even + u[3];
  }
  template <class V>
  ADVPROP_INLINE static void output(const V (&m)[4], V (&r)[2]) {
    r[0] = m[0] + (m[1] + m[2]), r[1] = (m[1] - m[2]) + m[3];
  }
  template <class V>
  ADVPROP_INLINE static void output_adjoint(const V (&y)[2], V (&r)[4]) {
    r[0] = y[0], r[1] = y[0] + y[1], r[2] = y[0] - y[1], r[3] = y[1];
  }
};

/// The usual points +-1, +-2 lose a digit; with these the error is 2.2 times smaller (relative L2, measured) and every
/// constant of B and A is exact in float.
template <>
struct winograd<4> : winograd_stride_1<4> {
  static constexpr float a = 0.625f, b = 1.5f, a2 = a * a, b2 = b * b, sum = a2 + b2, product = a2 * b2;
  static constexpr float at_a = 0.5f / (a2 * (a2 - b2)), at_b = 0.5f / (b2 * (b2 - a2));

  template <class V>
  ADVPROP_INLINE static void input(const V (&d)[6], V (&r)[6]) {
    const V even_a = fused(-d[2], V(b2), d[4]), odd_a = fused(-d[1], V(b2), d[3]);
    const V even_b = fused(-d[2], V(a2), d[4]), odd_b = fused(-d[1], V(a2), d[3]);
    r[0] = fused(d[0], V(product), fused(-d[2], V(sum), d[4]));
    r[1] = fused(odd_a, V(a), even_a), r[2] = fused(-odd_a, V(a), even_a);
    r[3] = fused(odd_b, V(b), even_b), r[4] = fused(-odd_b, V(b), even_b);
    r[5] = fused(d[1], V(product), fused(-d[3], V(sum), d[5]));
  }
  template <class V>
  ADVPROP_INLINE static void weight(const V (&g)[3], V (&r)[6]) {
    const V even_a = fused(g[2], V(a2), g[0]), odd_a = g[1] * V(a * at_a);
    const V even_b = fused(g[2], V(b2), g[0]), odd_b = g[1] * V(b * at_b);
    r[0] = g[0] * V(1 / product);
    r[1] = fused(even_a, V(at_a), odd_a), r[2] = fused(even_a, V(at_a), -odd_a);
    r[3] = fused(even_b, V(at_b), odd_b), r[4] = fused(even_b, V(at_b), -odd_b);
    r[5] = g[2];
  }
  template <class V>
  ADVPROP_INLINE static void weight_adjoint(const V (&u)[6], V (&r)[3]) {
    const V even_a = u[1] + u[2], even_b = (u[3] + u[4]) * V(at_b);
    r[0] = fused(u[0], V(1 / product), fused(even_a, V(at_a), even_b));
    r[1] = fused(u[1] - u[2], V(a * at_a), (u[3] - u[4]) * V(b * at_b));
    r[2] = fused(even_a, V(a2 * at_a), fused(even_b, V(b2), u[5]));
  }
  template <class V>
  ADVPROP_INLINE static void output(const V (&m)[6], V (&r)[4]) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    r[0] = m[0] + (even_a + even_b);
    r[1] = fused(odd_a, V(a), odd_b * V(b));
    r[2] = fused(even_a, V(a2), even_b * V(b2));
    r[3] = fused(odd_a, V(a * a2), fused(odd_b, V(b * b2), m[5]));
  }
  template <class V>
  ADVPROP_INLINE static void output_adjoint(const V (&y)[4], V (&r)[6]) {
    const V even_a = fused(y[2], V(a2), y[0]), odd_a = fused(y[3], V(a * a2), y[1] * V(a));
    const V even_b = fused(y[2], V(b2), y[0]), odd_b = fused(y[3], V(b * b2), y[1] * V(b));
    r[0] = y[0];
    r[1] = even_a + odd_a, r[2] = even_a - odd_a, r[3] = even_b + odd_b, r[4] = even_b - odd_b;
    r[5] = y[3];
  }
};

// Stride 2, in one dimension: pixels e[j] at even places and o[j] at odd ones give
//   y[j] = (w[0] e[j] + w[2] e[j + 1]) + w[1] o[j],
// a kernel of two taps and one of one tap. F(4, 2) at the points +-a, +-b and infinity serves both: a constant is zero
// at infinity, so o has four products where e has five, and the sums of both need one output transform. A constant is
// the same at the other four points, so U has six points: five of e and one of o, whose products are nine. In two
// dimensions 81 multiplications give 16 outputs, where direct kernels take 144; U has 36 points, and V 81, by the
// nines: e's five, then o's four. The gradient of the input is a kernel of two taps for e and one of one tap for o,
// over the same five pixels of dy: V has 25 points and M 81.

/// The one-dimensional transforms. The factors of interpolation, 1 / (2 p (p^2 - q^2)), are with the outputs, which
/// leaves the other constants exact.
struct winograd_strided_base {
  static constexpr float a = 0.5f, b = 1.25f, a2 = a * a, b2 = b * b, sum = a2 + b2, product = a2 * b2;
  static constexpr float at_a = 0.5f / (a * (a2 - b2)), at_b = 0.5f / (b * (b2 - a2));

  template <class V>
  ADVPROP_INLINE static void finite(const V& d0, const V& d1, const V& d2, const V& d3, V* r) {
    const V even_a = fused(-d0, V(b2), d2), odd_a = fused(-d1, V(b2), d3);
    const V even_b = fused(-d0, V(a2), d2), odd_b = fused(-d1, V(a2), d3);
    r[0] = fused(even_a, V(a), odd_a), r[1] = fused(-even_a, V(a), odd_a);
    r[2] = fused(even_b, V(b), odd_b), r[3] = fused(-even_b, V(b), odd_b);
  }
  template <class V>
  ADVPROP_INLINE static V infinite(const V& d0, const V& d2, const V& d4) {
    return fused(d0, V(product), fused(-d2, V(sum), d4));
  }
  template <class V>
  ADVPROP_INLINE static void weight(const V (&g)[3], V (&r)[6]) {
    r[0] = fused(g[2], V(a), g[0]), r[1] = fused(-g[2], V(a), g[0]);
    r[2] = fused(g[2], V(b), g[0]), r[3] = fused(-g[2], V(b), g[0]), r[4] = g[2], r[5] = g[1];
  }
  template <class V>
  ADVPROP_INLINE static void weight_adjoint(const V (&u)[6], V (&r)[3]) {
    r[0] = (u[0] + u[1]) + (u[2] + u[3]);
    r[1] = u[5];
    r[2] = fused(u[0] - u[1], V(a), fused(u[2] - u[3], V(b), u[4]));
  }
  /// Without the share of infinity, which belongs to r[3].
  template <class V>
  ADVPROP_INLINE static void output(const V* m, V& r0, V& r1, V& r2, V& r3) {
    const V even_a = m[0] - m[1], odd_a = m[0] + m[1], even_b = m[2] - m[3], odd_b = m[2] + m[3];
    r0 = fused(even_a, V(at_a), even_b * V(at_b));
    r1 = fused(odd_a, V(a * at_a), odd_b * V(b * at_b));
    r2 = fused(even_a, V(a2 * at_a), even_b * V(b2 * at_b));
    r3 = fused(odd_a, V(a * a2 * at_a), odd_b * V(b * b2 * at_b));
  }

  /// f(of nine, of six, of five points; the first of its six and of its five).
  template <class F>
  static void for_terms(F f) {
    for (int r = 0; r < 5; ++r)
      for (int c = 0; c < 5; ++c)
        for (int i = r; i < 9; i += 5)
          for (int j = c; j < 9; j += 5)
            f(i * 9 + j, std::min(i, 5) * 6 + std::min(j, 5), r * 5 + c, i < 6 && j < 6, i < 5 && j < 5);
  }
};

/// y from x, and the gradient of the weights.
struct winograd_strided : winograd_sizes<9, 8, 4, 9, 6, 5>, winograd_strided_base {
  template <class V>
  ADVPROP_INLINE static void input(const V (&d)[9], V (&r)[9]) {
    finite(d[0], d[2], d[4], d[6], r);
    r[4] = infinite(d[0], d[4], d[8]);
    finite(d[1], d[3], d[5], d[7], r + 5);
  }
  template <class V>
  ADVPROP_INLINE static void output(const V (&m)[5], V (&r)[4]) {
    winograd_strided_base::output(m, r[0], r[1], r[2], r[3]);
    r[3] += m[4];
  }
  template <class V>
  ADVPROP_INLINE static void output_adjoint(const V (&y)[4], V (&r)[5]) {
    const V even_a = fused(y[2], V(a2), y[0]), odd_a = fused(y[3], V(a2), y[1]) * V(a * at_a);
    const V even_b = fused(y[2], V(b2), y[0]), odd_b = fused(y[3], V(b2), y[1]) * V(b * at_b);
    r[0] = fused(even_a, V(at_a), odd_a), r[1] = fused(-even_a, V(at_a), odd_a);
    r[2] = fused(even_b, V(at_b), odd_b), r[3] = fused(-even_b, V(at_b), odd_b), r[4] = y[3];
  }
  template <class F>
  static void for_terms(F f) {
    winograd_strided_base::for_terms([&](int nine, int six, int five, bool starts_six, bool starts_five) {
      f(winograd_term{nine, six, five, starts_five, starts_six});
    });
  }
};

/// dx from dy.
struct winograd_strided_adjoint : winograd_sizes<5, 4, 8, 5, 6, 9>, winograd_strided_base {
  template <class V>
  ADVPROP_INLINE static void input(const V (&d)[5], V (&r)[5]) {
    finite(d[0], d[1], d[2], d[3], r);
    r[4] = infinite(d[0], d[2], d[4]);
  }
  /// The first pixel is one of o.
  template <class V>
  ADVPROP_INLINE static void output(const V (&m)[9], V (&r)[8]) {
    winograd_strided_base::output(m + 5, r[0], r[2], r[4], r[6]);
    winograd_strided_base::output(m, r[1], r[3], r[5], r[7]);
    r[7] += m[4];
  }
  template <class F>
  static void for_terms(F f) {
    winograd_strided_base::for_terms([&](int nine, int six, int five, bool starts_six, bool) {
      f(winograd_term{five, six, nine, true, starts_six});
    });
  }
};

}  // namespace advprop::ADVPROP_TARGET::detail
