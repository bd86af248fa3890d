// What becomes of a convolution's result where a batch norm with fixed numbers follows: y = a(v * factor + shift +
// add), applied by the engines to results that are still in the first-level cache or in registers. Included once for
// each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {
namespace detail {

/// The norm's numbers for every channel, and one vector more; zeros past the last channel. Null: there is no norm.
struct conv_epilogue {
  const float *factor = nullptr, *shift = nullptr;
  feature_view<const float> add;
  activation after = activation::identity;

  /// Pixels [first, first + count) of a block of y, in place.
  void finish(feature_view<float> y, int n, int b, std::ptrdiff_t first, std::ptrdiff_t count) const {
    float* out = channel_block(y, n, b) + first * 8;
    const float* added = add.data ? channel_block(add, n, b) + first * 8 : nullptr;
    const wide f = each_pixel(f8(factor + b * 8)), s = each_pixel(f8(shift + b * 8));
    with_activation(after, [&]<activation A>() {
      for_pixels(
          0, static_cast<int>(count), [&]<bool Whole>(std::ptrdiff_t i, int) __attribute__((always_inline)) {
            wide v = fused(load_pixels<Whole>(out + i), f, s);
            if (added) v += load_pixels<Whole>(added + i);
            store_pixels<Whole>(apply_activation<A>(v), out + i);
          });
    });
  }
};

/// A norm's numbers in the device's memory: y = x * factor + shift.
class folded_norm {
 public:
  folded_norm(cpu& d, const norm_parameters& p, int channels)
      : padded_((channels + 7) / 8 * 8 + 8),
        memory_(d.memory().allocate(sizeof(float) * 2 * static_cast<std::size_t>(padded_))) {
    if (d.dry()) return;
    float *f = static_cast<float*>(memory_.data()), *s = f + padded_;
    for (int c = 0; c < padded_; ++c) {
      const bool real = c < channels;
      const double each = real ? double(p.scale[c]) / std::sqrt(double(p.variance[c]) + double(p.epsilon)) : 0;
      f[c] = static_cast<float>(each);
      s[c] = real ? static_cast<float>(double(p.shift[c]) - double(p.mean[c]) * each) : 0.f;
    }
  }
  const float* factor() const { return static_cast<const float*>(memory_.data()); }
  const float* shift() const { return factor() + padded_; }

 private:
  int padded_;
  arena::block memory_;
};

/// What a gradient goes through before the convolution behind it takes it back: g = dy * a'(from y) * factor.
struct conv_prologue {
  feature_view<const float> y;  // its data is null for identity
  const float* factor;
  activation after;  // identity, relu or relu6

  /// `count` pixels at pixel `first` of image n's block b of dy, which lie at `in`.
  [[gnu::always_inline]] void apply(const float* in, int n, int b, std::ptrdiff_t first, std::ptrdiff_t count,
                                    float* out) const {
    const wide f = each_pixel(f8(factor + b * 8));
    const float* result = y.data ? channel_block(y, n, b) + first * 8 : nullptr;
    const auto run = [&]<activation A>() __attribute__((always_inline)) {
      for_pixels(
          0, static_cast<int>(count), [&]<bool Whole>(std::ptrdiff_t i, int) __attribute__((always_inline)) {
            wide g = load_pixels<Whole>(in + i) * f;
            if constexpr (slope_from_output(A)) g = cut_gradient<A>(load_pixels<Whole>(result + i), g);
            store_pixels<Whole>(g, out + i);
          });
    };
    if (after == activation::relu)
      run.template operator()<activation::relu>();
    else if (after == activation::relu6)
      run.template operator()<activation::relu6>();
    else
      run.template operator()<activation::identity>();
  }
};

}  // namespace detail
}  // namespace advprop::ADVPROP_TARGET
