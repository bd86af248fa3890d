// Shapes and the views that operations work on.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

namespace advprop {

/// The shape of one image or one feature map, without the batch. Structural, so it serves as a template argument.
struct shape {
  int channels = 0, height = 0, width = 0;

  constexpr std::ptrdiff_t size() const { return std::ptrdiff_t{channels} * height * width; }
  friend constexpr bool operator==(const shape&, const shape&) = default;
};

/// A batch of feature maps in a device's private layout (CPU: blocks of 8 channels, nChw8c; CUDA: NHWC).
/// Any sub-range of the batch is a view too: the batch is the slowest dimension in every layout.
template <class T>
struct feature_view {
  T* data = nullptr;
  int batch = 0, channels = 0, height = 0, width = 0;

  constexpr shape image() const { return {channels, height, width}; }
  constexpr operator feature_view<const T>() const requires(!std::is_const_v<T>) {
    return {data, batch, channels, height, width};
  }
};

/// One extent per dimension.
template <int Rank>
using extents_of = std::array<int, static_cast<std::size_t>(Rank)>;

/// A non-owning, dense, row-major array of `Rank` dimensions.
template <class T, int Rank>
class view {
 public:
  constexpr view() = default;
  constexpr view(T* data, extents_of<Rank> extents) : data_(data), extents_(extents) {}

  constexpr T* data() const { return data_; }
  constexpr int extent(int i) const { return extents_[static_cast<std::size_t>(i)]; }
  constexpr const extents_of<Rank>& extents() const { return extents_; }
  /// Elements of one entry of the first dimension.
  constexpr std::ptrdiff_t stride() const {
    std::ptrdiff_t n = 1;
    for (int i = 1; i < Rank; ++i) n *= extent(i);
    return n;
  }
  constexpr std::ptrdiff_t size() const { return stride() * extent(0); }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size(); }

  template <class... I>
    requires(sizeof...(I) == Rank)
  constexpr T& operator()(I... index) const {
    std::ptrdiff_t offset = 0;
    int d = 0;
    ((offset = offset * extent(d++) + index), ...);
    return data_[offset];
  }

  /// Entries [first, first + count) of the first dimension.
  constexpr view slice(int first, int count) const {
    auto e = extents_;
    e[0] = count;
    return {data_ + first * stride(), e};
  }

  constexpr operator view<const T, Rank>() const requires(!std::is_const_v<T>) { return {data_, extents_}; }

 private:
  T* data_ = nullptr;
  extents_of<Rank> extents_{};
};

/// Images at the interface: NHWC, float in [0, 1].
using image_view = view<float, 4>;
using const_image_view = view<const float, 4>;
/// Class indices, one per image.
using label_view = view<int, 1>;
using const_label_view = view<const int, 1>;

}  // namespace advprop
