// How a dry run writes an operation down; and those notes that need no kernel.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <advprop/core/shape.hpp>
#include <advprop/device/cpu.hpp>

namespace advprop::work {

inline double bytes(const feature_view<const float>& x) {
  return x.data ? double(sizeof(float)) * static_cast<double>(cpu::elements(x.batch, x.image())) : 0;
}
inline double bytes(std::span<const float> x) { return static_cast<double>(x.size_bytes()); }
inline double weight_bytes(const conv_spec& s) {
  return double(sizeof(float)) * s.out * (s.in / s.groups) * s.kernel * s.kernel;
}

/// An operation from maps like x to maps like y.
inline work_item item(const char* operation, const feature_view<const float>& x, const feature_view<const float>& y,
                      double read, double written, const float* parameter = nullptr) {
  work_item w;
  w.operation = operation;
  w.batch = x.batch;
  w.in = x.image(), w.out = y.image();
  w.read = read, w.written = written;
  w.parameter = parameter;
  return w;
}

inline work_item with_norm(work_item w, activation a, bool added, statistics source = statistics::running) {
  w.after = a, w.added = added, w.source = source;
  return w;
}
inline work_item with_pool(work_item w, const pool_spec& s) {
  w.pool = s;
  return w;
}

inline void note(cpu& d, work_item w) { d.work().items.push_back(std::move(w)); }

/// What works on flat numbers.
inline work_item flat_item(const char* operation, double read, double written) {
  work_item w;
  w.operation = operation;
  w.read = read, w.written = written;
  return w;
}
// Copies and loops of functions of the user's.

inline void memory_copy(cpu& d, std::span<const float> from) {
  note(d, flat_item("memory_copy", bytes(from), bytes(from)));
}
inline void memory_copy(cpu& d, feature_view<const float> from) {
  note(d, item("memory_copy", from, from, bytes(from), bytes(from)));
}
inline void memory_swap(cpu& d, std::span<const float> a) {
  note(d, flat_item("memory_swap", 2 * bytes(a), 2 * bytes(a)));
}
inline void transform(cpu& d, const_image_view x, int inputs) {
  note(d, flat_item("transform", (1 + inputs) * bytes(x), bytes(x)));
}

}  // namespace advprop::work
