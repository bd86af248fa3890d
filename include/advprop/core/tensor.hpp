// An owning dense array in host memory: images, labels, logits.
#pragma once

#include <array>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/shape.hpp>

namespace advprop {

/// Row-major, zero-initialised, copyable. Converts to the `view` that every function here takes.
template <class T, int Rank>
class tensor {
 public:
  tensor() = default;
  explicit tensor(extents_of<Rank> extents) { resize(extents); }

  /// Keeps the memory when it is large enough; new elements are zero, old values are not kept in place.
  void resize(extents_of<Rank> extents) {
    for (int e : extents)
      if (e < 0) fail<argument_error>("tensor: negative extent ", e);
    extents_ = extents;
    values_.resize(static_cast<std::size_t>(advprop::view<T, Rank>(nullptr, extents).size()));
  }

  advprop::view<T, Rank> view() { return {values_.data(), extents_}; }
  advprop::view<const T, Rank> view() const { return {values_.data(), extents_}; }
  operator advprop::view<T, Rank>() { return view(); }
  operator advprop::view<const T, Rank>() const { return view(); }

  T* data() { return values_.data(); }
  const T* data() const { return values_.data(); }
  std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(values_.size()); }
  int extent(int i) const { return extents_[static_cast<std::size_t>(i)]; }
  const extents_of<Rank>& extents() const { return extents_; }
  auto begin() { return values_.begin(); }
  auto end() { return values_.end(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

  template <class... I>
  T& operator()(I... index) {
    return view()(index...);
  }
  template <class... I>
  const T& operator()(I... index) const {
    return view()(index...);
  }

 private:
  extents_of<Rank> extents_{};
  std::vector<T> values_;
};

}  // namespace advprop
