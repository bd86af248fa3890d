// Of the library advprop::compiled: every operation of ops/cpu.hpp, for every instruction set. What is Winograd's is in
// ops_winograd.cpp.
#define ADVPROP_KERNELS_SOURCE
#include <advprop/ops/cpu.hpp>
#include <advprop/ops/cpu/conv_gemm.inl>
#include <advprop/ops/cpu/engines.hpp>

namespace advprop {

#define ADVPROP_WINOGRAD(M)                                                                                      \
  template void conv_winograd_forward<M>(cpu&, const conv_spec&, feature_view<const float>, const float*,        \
                                         feature_view<float>);                                                   \
  template void conv_winograd_backward_input<M>(cpu&, const conv_spec&, feature_view<const float>, const float*, \
                                                feature_view<float>);                                            \
  template void conv_winograd_backward_weight<M>(cpu&, const conv_spec&, feature_view<const float>,              \
                                                 feature_view<const float>, float*);
ADVPROP_WINOGRAD(2)
ADVPROP_WINOGRAD(4)

}  // namespace advprop
