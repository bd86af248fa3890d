// Activations on the CPU that stand alone (behind a batch norm they are part of it: norm.inl).
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {

namespace detail {
template <activation A, int N>
[[gnu::always_inline]] inline lanes<float, N> apply_activation(const lanes<float, N>& x) {
  if constexpr (A == activation::relu)
    return positive(x);
  else if constexpr (A == activation::relu6)
    return positive_to_6(x);
  else if constexpr (A == activation::silu)
    return x * logistic(x);
  else
    return x;
}

/// silu'(x)
template <int N>
[[gnu::always_inline]] inline lanes<float, N> silu_slope(const lanes<float, N>& x) {
  const lanes<float, N> one(1.f), s = logistic(x);
  return s * fused(x, one - s, one);
}

/// g * a'(z) for a relu or relu6, told from z or from a(z): zero where it is cut off, the ends included (PyTorch).
template <activation A, int N>
[[gnu::always_inline]] inline lanes<float, N> cut_gradient(const lanes<float, N>& z, lanes<float, N> g) {
  static_assert(slope_from_output(A));
  const lanes<float, N> zero(0.f);
  g = select(z > zero, g, zero);
  if constexpr (A == activation::relu6) g = select(lanes<float, N>(6.f) > z, g, zero);
  return g;
}

/// Calls f with the activation as a compile-time constant.
template <class F>
void with_activation(activation a, F&& f) {
  switch (a) {
    case activation::identity:
      return f.template operator()<activation::identity>();
    case activation::relu:
      return f.template operator()<activation::relu>();
    case activation::silu:
      return f.template operator()<activation::silu>();
    case activation::relu6:
      return f.template operator()<activation::relu6>();
  }
}
}  // namespace detail

inline void activation_forward(cpu& d, activation a, feature_view<const float> x, feature_view<float> y) {
  using namespace detail;
  with_activation(a, [&]<activation A>() {
    for_chunks(d, cpu::elements(x.batch, x.image()), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
      for (std::ptrdiff_t i = first; i < first + count; i += 8) apply_activation<A>(f8(x.data + i)).store(y.data + i);
    });
  });
}

inline void activation_backward(cpu& d, activation a, feature_view<const float> x, feature_view<const float> dy,
                                feature_view<float> dx) {
  using namespace detail;
  with_activation(a, [&]<activation A>() {
    for_chunks(d, cpu::elements(dy.batch, dy.image()), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
      for (std::ptrdiff_t i = first; i < first + count; i += 8) {
        f8 g(dy.data + i);
        if constexpr (slope_from_output(A)) g = cut_gradient<A>(f8(x.data + i), g);
        if constexpr (A == activation::silu) g = g * silu_slope(f8(x.data + i));
        g.store(dx.data + i);
      }
    });
  });
}

}  // namespace advprop::ADVPROP_TARGET
