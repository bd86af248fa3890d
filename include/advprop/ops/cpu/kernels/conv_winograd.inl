// Winograd convolution in nChw8c: 3x3 kernels, stride 1 and 2; the three passes.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {
namespace detail {

template <class Algorithm>
winograd_grid winograd_forward_grid(const conv_spec& s, feature_view<const float> x) {
  return make_winograd_grid<Algorithm>(x.batch, s.output(x.height), s.output(x.width), s.before(x.height),
                                       s.before(x.width));
}

// Half of what there is to compile: advprop::compiled has it in a source of its own, src/ops_winograd.cpp.
#if defined(ADVPROP_COMPILED)
#if defined(ADVPROP_WINOGRAD_SOURCE)
#define ADVPROP_THERE
#else
#define ADVPROP_THERE extern
#endif
#define ADVPROP_RUN(A)                                                                                            \
  ADVPROP_THERE template void run_winograd<A>(cpu&, const winograd_grid&, feature_view<const float>,              \
                                              const winograd_weights&, feature_view<float>, const conv_epilogue*, \
                                              const conv_prologue*)
#define ADVPROP_RUN_WEIGHT(A)                                                                               \
  ADVPROP_THERE template void run_winograd_weight<A>(cpu&, const winograd_grid&, feature_view<const float>, \
                                                     feature_view<const float>, float*)
ADVPROP_RUN(winograd<2>);
ADVPROP_RUN(winograd<4>);
ADVPROP_RUN(winograd_strided);
ADVPROP_RUN(winograd_strided_adjoint);
ADVPROP_RUN_WEIGHT(winograd<2>);
ADVPROP_RUN_WEIGHT(winograd<4>);
ADVPROP_RUN_WEIGHT(winograd_strided);
#undef ADVPROP_RUN
#undef ADVPROP_RUN_WEIGHT
#undef ADVPROP_THERE
#endif

}  // namespace detail

template <int M>
void conv_winograd_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                           feature_view<float> y, const detail::conv_epilogue* after = nullptr) {
  using algorithm = detail::winograd<M>;
  detail::run_winograd<algorithm>(d, detail::winograd_forward_grid<algorithm>(s, x), x, {w, s.in, s.out, false}, y,
                                  after, nullptr);
}

template <int M>
void conv_winograd_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                  feature_view<float> dx, feature_view<const float> add = {},
                                  const detail::conv_prologue* before = nullptr) {
  using algorithm = detail::winograd<M>;
  const detail::conv_epilogue sum{nullptr, nullptr, add, activation::identity};
  const auto grid = detail::make_winograd_grid<algorithm>(dx.batch, dx.height, dx.width, 2 - s.before(dx.height),
                                                          2 - s.before(dx.width));
  detail::run_winograd<algorithm>(d, grid, dy, {w, s.out, s.in, true}, dx, add.data ? &sum : nullptr, before);
}

template <int M>
void conv_winograd_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                   feature_view<const float> dy, float* dw) {
  using algorithm = detail::winograd<M>;
  detail::run_winograd_weight<algorithm>(d, detail::winograd_forward_grid<algorithm>(s, x), x, dy, dw);
}

inline void conv_winograd_strided_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                          feature_view<float> y, const detail::conv_epilogue* after = nullptr) {
  using algorithm = detail::winograd_strided;
  detail::run_winograd<algorithm>(d, detail::winograd_forward_grid<algorithm>(s, x), x, {w, s.in, s.out, false}, y,
                                  after, nullptr);
}

inline void conv_winograd_strided_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy,
                                                 const float* w, feature_view<float> dx,
                                                 feature_view<const float> add = {},
                                                 const detail::conv_prologue* before = nullptr) {
  using algorithm = detail::winograd_strided_adjoint;
  const detail::conv_epilogue sum{nullptr, nullptr, add, activation::identity};
  // The first tile's first pixel is one of o: the map's first where one zero lies before it, else the one before.
  const int above = s.before(dx.height), left = s.before(dx.width);
  const auto grid = detail::make_winograd_grid<algorithm>(dx.batch, dx.height, dx.width, above == 0, left == 0,
                                                          above % 2 == 0, left % 2 == 0);
  detail::run_winograd<algorithm>(d, grid, dy, {w, s.out, s.in, true}, dx, add.data ? &sum : nullptr, before);
}

inline void conv_winograd_strided_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                                  feature_view<const float> dy, float* dw) {
  using algorithm = detail::winograd_strided;
  detail::run_winograd_weight<algorithm>(d, detail::winograd_forward_grid<algorithm>(s, x), x, dy, dw);
}

}  // namespace advprop::ADVPROP_TARGET
