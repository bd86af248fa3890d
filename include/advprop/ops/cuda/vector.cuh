// Neighbouring elements, loaded and stored together and computed with as floats.
#pragma once

#include <cstddef>
#include <cstdint>

#include <advprop/core/bfloat16.hpp>
#include <advprop/core/host_device.hpp>

namespace advprop::detail {

/// Elements of T in one access of 16 bytes.
template <class T>
inline constexpr int vector_width = 16 / static_cast<int>(sizeof(T));

template <int V>
struct floats {
  float v[V];
  ADVPROP_HD float& operator[](int i) { return v[i]; }
  ADVPROP_HD float operator[](int i) const { return v[i]; }
};

template <class T, int V>
struct alignas(sizeof(T) * V) packed_elements {
  T v[V];
};

/// Elements [i * V, (i + 1) * V) of p, which lies at a multiple of V elements. As they are they need fewer registers
/// than as floats, where several are on their way.
template <int V, class T>
ADVPROP_HD packed_elements<T, V> fetch(const T* p, std::ptrdiff_t i) {
  return reinterpret_cast<const packed_elements<T, V>*>(p)[i];
}
template <class T, int V>
ADVPROP_HD floats<V> widened(const packed_elements<T, V>& e) {
  floats<V> f;
  for (int k = 0; k < V; ++k) f[k] = static_cast<float>(e.v[k]);
  return f;
}
template <int V, class T>
ADVPROP_HD floats<V> load(const T* p, std::ptrdiff_t i) {
  return widened(fetch<V>(p, i));
}
template <int V, class T>
ADVPROP_HD void store(T* p, std::ptrdiff_t i, const floats<V>& f) {
  packed_elements<T, V> e;
  for (int k = 0; k < V; ++k) e.v[k] = T(f[k]);
  reinterpret_cast<packed_elements<T, V>*>(p)[i] = e;
}

/// Calls f with the vector width that `count` elements in a row, and every pointer, allow: T's own, or 1.
template <class T, class F, class... P>
void with_width(std::ptrdiff_t count, F&& f, const P*... pointers) {
  constexpr int widest = vector_width<T>;
  const bool aligned = ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
  if (count % widest == 0 && aligned)
    f.template operator()<widest>();
  else
    f.template operator()<1>();
}

}  // namespace advprop::detail
