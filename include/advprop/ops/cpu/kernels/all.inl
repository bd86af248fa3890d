// All kernels, in the order in which they need one another.
// Included once for each instruction set by ops/cpu/kernels.hpp.
#include <advprop/ops/cpu/kernels/simd.inl>

#include <advprop/ops/cpu/kernels/lanes.inl>
#include <advprop/ops/cpu/kernels/transpose.inl>

#include <advprop/ops/cpu/kernels/activation.inl>
#include <advprop/ops/cpu/kernels/conv_epilogue.inl>

// clang-format off
#include <advprop/ops/cpu/kernels/direct_streams.inl>
#include <advprop/ops/cpu/kernels/direct_tiles.inl>
#include <advprop/ops/cpu/kernels/direct_plan.inl>
#include <advprop/ops/cpu/kernels/direct_weight_gradient.inl>

#include <advprop/ops/cpu/kernels/winograd_algorithms.inl>
#include <advprop/ops/cpu/kernels/winograd_transforms.inl>
#include <advprop/ops/cpu/kernels/winograd_products.inl>
#include <advprop/ops/cpu/kernels/winograd_plan.inl>
#include <advprop/ops/cpu/kernels/winograd_weight_gradient.inl>
// clang-format on

#include <advprop/ops/cpu/kernels/conv_depthwise.inl>
#include <advprop/ops/cpu/kernels/conv_direct.inl>
#include <advprop/ops/cpu/kernels/conv_winograd.inl>
#include <advprop/ops/cpu/kernels/elementwise.inl>
#include <advprop/ops/cpu/kernels/linear.inl>
#include <advprop/ops/cpu/kernels/loss.inl>
#include <advprop/ops/cpu/kernels/norm.inl>
#include <advprop/ops/cpu/kernels/pool.inl>
#include <advprop/ops/cpu/kernels/update.inl>

#include <advprop/ops/cpu/kernels/conv.inl>
