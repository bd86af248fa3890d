// What a dry run writes down of operations that the CPU does in ways of its own.
#pragma once

#include <utility>

#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu/conv_engine.hpp>
#include <advprop/ops/work.hpp>

namespace advprop {

inline const char* conv_engine_name(const cpu& d, const conv_spec& s, int height, int width) {
  switch (select_conv_engine(s, height, width, d.convolutions())) {
    case conv_engine::gemm:
      return "gemm";
    case conv_engine::direct:
      return "direct";
    case conv_engine::winograd_2:
      return "winograd 2x2";
    case conv_engine::winograd_4:
      return "winograd 4x4";
    case conv_engine::winograd_strided:
      return "winograd strided";
    case conv_engine::depthwise:
      return "depthwise";
    case conv_engine::linear:
      return "linear";
  }
  return "";
}

namespace work {

inline void note(cpu& d, work_item w) { d.work().items.push_back(std::move(w)); }
/// With the workspace that `kernel` takes.
template <class Kernel>
auto note(cpu& d, work_item w, const Kernel& kernel) {
  const noted until_the_end(d, std::move(w));
  return kernel();
}

inline work_item norm_forward_batch(const cpu& d, activation a, map<cpu> x, float*, float*, const norm_parameters& p,
                                    map<cpu> add, map<cpu> y) {
  const double read = 2 * bytes(d, x) + bytes(d, add);
  return with_norm(item("norm_forward_batch", x, y, read, bytes(d, y), p.scale), a, add.data);
}
inline work_item norm_backward(const cpu& d, activation a, statistics source, map<cpu> x, map<cpu> y, map<cpu> dy,
                               map<cpu> add, const norm_parameters& p, map<cpu> dx, map<cpu> dadd, float* dscale,
                               float*) {
  const bool batch = source == statistics::batch, sums = batch || dscale;
  double read = bytes(d, dy), written = bytes(d, dx) + bytes(d, dadd);  // the sweep that finds g = dy a'
  if (slope_from_output(a)) read += bytes(d, y);
  if (sums || a == activation::silu) read += bytes(d, x);
  if (a == activation::silu) read += bytes(d, add);
  if (batch) {  // and the one that, with the sums of g, finds dx
    read += bytes(d, dx) + bytes(d, x);
    if (a != activation::identity && !dadd.data) written += bytes(d, dx);
  }
  return with_norm(item("norm_backward", dx, dy, read, written, p.scale), a, dadd.data, source);
}

}  // namespace work

}  // namespace advprop
