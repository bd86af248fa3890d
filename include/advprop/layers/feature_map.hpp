// An owning batch of feature maps in a device's arena.
#pragma once

#include <advprop/core/shape.hpp>
#include <advprop/device/arena.hpp>

namespace advprop {

/// Copies share the memory; the last one gives it back to the arena. Contents start uninitialised.
template <class Device>
class feature_map {
 public:
  using element = typename Device::element;

  feature_map() = default;
  [[gnu::noinline]] feature_map(Device& device, int batch, shape s)
      : memory_(device.memory().allocate(static_cast<std::size_t>(Device::elements(batch, s)) * sizeof(element))),
        batch_(batch),
        shape_(s) {}

  int batch() const { return batch_; }
  advprop::shape image() const { return shape_; }
  explicit operator bool() const { return static_cast<bool>(memory_); }
  /// No other handle shares the memory: a layer may write its result over its input.
  bool unique() const { return memory_.unique(); }

  operator feature_view<element>() const { return view(); }        // NOLINT: what every operation takes
  operator feature_view<const element>() const { return view(); }  // NOLINT
  feature_view<element> view() const {
    return {static_cast<element*>(memory_.data()), batch_, shape_.channels, shape_.height, shape_.width};
  }
  /// Images [first, first + count) of the batch.
  feature_view<element> slice(int first, int count) const {
    auto v = view();
    if (v.data) v.data += Device::elements(first, shape_);
    v.batch = count;
    return v;
  }

 private:
  arena::block memory_;
  int batch_ = 0;
  advprop::shape shape_;
};

}  // namespace advprop
