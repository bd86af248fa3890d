// xtensor containers as views and back, without a copy. The only header that includes xtensor.
#pragma once

#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xadapt.hpp>  // 0.26 and later
#else
#include <xtensor/xadapt.hpp>
#endif

#include <array>
#include <climits>
#include <cstddef>
#include <type_traits>

#include <advprop/core/error.hpp>
#include <advprop/core/shape.hpp>

namespace advprop {

/// An xtensor expression over a view's memory: reads and, where T is not const, writes go to it. Does not own it.
template <class T, int Rank>
auto as_xtensor(view<T, Rank> v) {
  std::array<std::size_t, static_cast<std::size_t>(Rank)> extents;
  for (int i = 0; i < Rank; ++i) extents[static_cast<std::size_t>(i)] = static_cast<std::size_t>(v.extent(i));
  return xt::adapt(v.data(), static_cast<std::size_t>(v.size()), xt::no_ownership(), extents);
}

/// A view of an xtensor container, or of a part of one that is dense and row-major. The container must outlive the
/// view. Throws `argument_error` for another rank or memory order, or an extent that no int holds. `as_view<4>(images)`
/// makes an `image_view`, `as_view<1>(labels)` (of int) a `label_view`.
template <int Rank, class E>
  requires requires(E& e) { e.data() + e.data_offset(), e.strides(), e.shape(), e.dimension(); }
auto as_view(E& e) -> view<std::remove_pointer_t<decltype(e.data())>, Rank> {
  if (e.dimension() != static_cast<std::size_t>(Rank))
    fail<argument_error>("as_view: an xtensor of ", e.dimension(), " dimensions where ", Rank, " are asked for");
  std::array<int, static_cast<std::size_t>(Rank)> extents;
  std::ptrdiff_t dense = 1;
  for (std::size_t i = Rank; i-- > 0;) {
    const auto extent = static_cast<std::size_t>(e.shape()[i]);
    if (extent > INT_MAX) fail<argument_error>("as_view: extent ", extent, " of dimension ", i, " is too large");
    if (extent > 1 && static_cast<std::ptrdiff_t>(e.strides()[i]) != dense)  // xtensor says stride 0 where extent is 1
      fail<argument_error>("as_view: the xtensor is not dense and row-major in dimension ", i);
    dense *= static_cast<std::ptrdiff_t>(extent);
    extents[i] = static_cast<int>(extent);
  }
  return {e.data() + e.data_offset(), extents};
}

/// A temporary would take its memory with it.
template <int Rank, class E>
void as_view(const E&& e) = delete;

}  // namespace advprop
