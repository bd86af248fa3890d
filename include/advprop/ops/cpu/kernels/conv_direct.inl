// Direct convolution in nChw8c, register-tiled, dense or grouped: the three passes at any kernel size and stride.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {
namespace detail {

inline direct_problem direct_forward_problem(const conv_spec& s, int height, int width) {
  const int mix = direct_mix(s), groups = s.groups / mix;
  direct_problem p{
      groups, mix, s.in / groups, s.out / groups, height, width, s.output(height), s.output(width), s.stride, {}, {}};
  for (int k = 0; k < s.kernel; ++k) {
    p.rows.add(k - s.before(height), k);
    p.columns.add(k - s.before(width), k);
  }
  return p;
}

/// A convolution whose neighbouring groups are joined, where that is due: the weights become block-diagonal.
class direct_joined {
 public:
  direct_joined(cpu& d, const conv_spec& s) : spec_(s), join_(direct_mix(s) > 1 ? 1 : joined_groups(s)) {
    if (join_ == 1) return;
    spec_.groups /= join_;
    memory_ = d.memory().allocate(sizeof(float) * static_cast<std::size_t>(spec_.out * row()));
    if (!d.dry()) joined_ = static_cast<float*>(memory_.data());
  }
  const conv_spec& spec() const { return spec_; }

  const float* expand(const float* w) const {
    if (!joined_) return w;
    clear();
    for_rows([&](std::ptrdiff_t from, std::ptrdiff_t to, std::ptrdiff_t count) {
      std::copy_n(w + from, count, joined_ + to);
    });
    return joined_;
  }
  /// Where the gradient is to be added.
  float* gradient(float* dw) const {
    if (!joined_) return dw;
    clear();
    return joined_;
  }
  /// Adds its part on the diagonal to dw.
  void add_gradient(float* dw) const {
    if (joined_)
      for_rows([&](std::ptrdiff_t to, std::ptrdiff_t from, std::ptrdiff_t count) {
        for (std::ptrdiff_t i = 0; i < count; ++i) dw[to + i] += joined_[from + i];
      });
  }

 private:
  std::ptrdiff_t row() const { return std::ptrdiff_t{spec_.in} / spec_.groups * spec_.kernel * spec_.kernel; }
  void clear() const { std::fill_n(joined_, spec_.out * row(), 0.0f); }
  /// f(apart, joined, count): where an output's weights lie.
  template <class F>
  void for_rows(const F& f) const {
    const std::ptrdiff_t count = row() / join_;
    const int outputs = spec_.out / spec_.groups / join_;
    for (std::ptrdiff_t o = 0; o < spec_.out; ++o) f(o * count, o * row() + o / outputs % join_ * count, count);
  }

  conv_spec spec_;
  int join_;
  arena::block memory_;
  float* joined_ = nullptr;
};

}  // namespace detail

/// As `conv_forward`; `is_direct` only.
inline void conv_direct_forward(cpu& d, const conv_spec& given, feature_view<const float> x, const float* w,
                                feature_view<float> y, const detail::conv_epilogue* after = nullptr) {
  using namespace detail;
  const direct_joined joined(d, given);
  const conv_spec& s = joined.spec();
  const int taps = s.kernel * s.kernel;
  const direct_target target{y.data, channel_blocks(y), std::ptrdiff_t{y.height} * y.width * direct_block, y.width, 1,
                             0};
  std::optional<direct_plan> plan(std::in_place, direct_forward_problem(s, x.height, x.width), target);
  run_direct(d, {&plan, 1}, x, {s.kernel, std::ptrdiff_t{s.in} / s.groups * taps, taps}, joined.expand(w), y, false,
             after);
}

/// As `conv_backward_input`; `is_direct` only.
inline void conv_direct_backward_input(cpu& d, const conv_spec& given, feature_view<const float> dy, const float* w,
                                       feature_view<float> dx, feature_view<const float> add = {}) {
  using namespace detail;
  const direct_joined joined(d, given);
  const conv_spec& s = joined.spec();
  w = joined.expand(w);
  if (!add.data && direct_input_is_narrow(s, dy.height, dy.width))
    return s.in == 1 ? run_direct_narrow_input<1>(d, s, dy, w, dx) : run_direct_narrow_input<4>(d, s, dy, w, dx);
  const int taps = s.kernel * s.kernel, mix = direct_mix(s), groups = s.groups / mix;
  const std::ptrdiff_t block_floats = std::ptrdiff_t{dx.height} * dx.width * direct_block;
  std::array<std::optional<direct_plan>, direct_stride_limit * direct_stride_limit> phases;
  std::size_t count = 0;
  for (int fy = 0; fy < std::min(s.stride, dx.height); ++fy)
    for (int fx = 0; fx < std::min(s.stride, dx.width); ++fx) {  // pixels (fy, fx) + stride * (y, x)
      direct_problem p{groups,
                       mix,
                       s.out / groups,
                       s.in / groups,
                       dy.height,
                       dy.width,
                       (dx.height - fy + s.stride - 1) / s.stride,
                       (dx.width - fx + s.stride - 1) / s.stride,
                       1,
                       {},
                       {}};
      for (int k = 0; k < s.kernel; ++k) {
        const int y = fy + s.before(dx.height) - k, x = fx + s.before(dx.width) - k;
        if (y % s.stride == 0) p.rows.add(y / s.stride, k);
        if (x % s.stride == 0) p.columns.add(x / s.stride, k);
      }
      const std::ptrdiff_t first = (std::ptrdiff_t{fy} * dx.width + fx) * direct_block;
      if (p.taps() > 0)
        phases[count++].emplace(p, direct_target{dx.data, channel_blocks(dx), block_floats, dx.width, s.stride, first});
    }
  if (count == 0) {  // no output sees any pixel
    const std::ptrdiff_t all = cpu::elements(dx.batch, dx.image());
    if (d.dry()) return;
    if (add.data)
      std::copy_n(add.data, all, dx.data);
    else
      std::fill_n(dx.data, all, 0.0f);
    return;
  }
  // A stride above the kernel's size leaves pixels that no output sees.
  run_direct(d, {phases.data(), count}, dy, {s.kernel, taps, std::ptrdiff_t{s.in} / s.groups * taps}, w, dx,
             s.stride > s.kernel, nullptr, add);
}

/// As `conv_backward_weight`; `is_direct` only.
inline void conv_direct_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                        feature_view<const float> dy, float* dw) {
  using namespace detail;
  const direct_joined joined(d, s);
  run_direct_weight(d, direct_forward_problem(joined.spec(), x.height, x.width), x, dy, joined.gradient(dw));
  joined.add_gradient(dw);
}

}  // namespace advprop::ADVPROP_TARGET
