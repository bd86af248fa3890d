// All kernels, in the order in which they need one another.
// Included once for each instruction set by ops/cpu/kernels.hpp.
#include <advprop/ops/cpu/kernels/lanes.inl>
#include <advprop/ops/cpu/kernels/simd.inl>
#include <advprop/ops/cpu/kernels/transpose.inl>

#include <advprop/ops/cpu/kernels/activation.inl>
#include <advprop/ops/cpu/kernels/conv_epilogue.inl>

#include <advprop/ops/cpu/kernels/winograd_algorithms.inl>

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
