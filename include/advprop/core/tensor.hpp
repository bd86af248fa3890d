// An owning dense array in host memory: images, labels, logits.
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/shape.hpp>

namespace advprop {

/// Row-major, zero-initialised, copyable. Converts to the `view` that every function here takes; that of a temporary,
/// as in `predict_classes(net, read_batch(test, 0, 10).images)`, must not outlive the call.
template <class T, int Rank>
class tensor {
 public:
  tensor() = default;
  explicit tensor(extents_of<Rank> extents) { resize(extents); }
  tensor(const tensor&) = default;
  tensor& operator=(const tensor&) = default;
  /// What is moved from is empty.
  tensor(tensor&& o) noexcept : extents_(std::exchange(o.extents_, {})), values_(std::exchange(o.values_, {})) {}
  tensor& operator=(tensor&& o) noexcept {
    extents_ = std::exchange(o.extents_, {});
    values_ = std::exchange(o.values_, {});
    return *this;
  }

  /// Keeps the memory when it is large enough; new elements are zero, old values are not kept in place. Throws
  /// `argument_error` for extents that are negative or whose product overflows, `memory_error` where they do not fit.
  void resize(extents_of<Rank> extents) {
    std::ptrdiff_t count = 1;
    for (int e : extents) {
      if (e < 0) fail<argument_error>("tensor: negative extent ", e);
      if (__builtin_mul_overflow(count, e, &count)) fail<argument_error>("tensor: its extents overflow at ", e);
    }
    try {
      values_.resize(static_cast<std::size_t>(count));
    } catch (const std::bad_alloc&) {
      too_large(count);
    } catch (const std::length_error&) {
      too_large(count);
    }
    extents_ = extents;
  }

  advprop::view<T, Rank> view() { return {values_.data(), extents_}; }
  advprop::view<const T, Rank> view() const { return {values_.data(), extents_}; }
  operator advprop::view<T, Rank>() & { return view(); }  // what is about to go is read at most
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
  [[noreturn]] static void too_large(std::ptrdiff_t count) {
    fail<memory_error>("tensor: there is no memory for ", count, " values of ", sizeof(T), " bytes");
  }

  extents_of<Rank> extents_{};
  std::vector<T> values_;
};

}  // namespace advprop
