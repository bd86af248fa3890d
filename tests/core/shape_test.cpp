#include <advprop/core/shape.hpp>

#include <array>
#include <type_traits>

#include <doctest/doctest.h>

namespace shape_test {

using namespace advprop;

static_assert(shape{3, 4, 5}.size() == 60);
static_assert(shape{3, 40000, 40000}.size() == 4'800'000'000);
static_assert(shape{1, 2, 3} == shape{1, 2, 3});
static_assert(shape{1, 2, 3} != shape{1, 3, 2});
static_assert(std::is_convertible_v<image_view, const_image_view>);
static_assert(!std::is_convertible_v<const_image_view, image_view>);
static_assert(std::is_convertible_v<feature_view<float>, feature_view<const float>>);
static_assert(!std::is_convertible_v<feature_view<const float>, feature_view<float>>);

template <shape S>
struct as_argument {
  static constexpr int channels = S.channels;
};
static_assert(as_argument<shape{7, 1, 1}>::channels == 7);

TEST_CASE("A view indexes in row-major order") {
  std::array<int, 24> a{};
  for (int i = 0; i < 24; ++i) a[static_cast<std::size_t>(i)] = i;
  const view<int, 3> v(a.data(), {2, 3, 4});
  CHECK(v.size() == 24);
  CHECK(v.stride() == 12);
  CHECK(v.extent(1) == 3);
  CHECK(v(0, 0, 0) == 0);
  CHECK(v(1, 2, 3) == 23);
  CHECK(v(1, 0, 2) == 14);
  v(0, 1, 0) = -1;
  CHECK(a[4] == -1);
  CHECK(v.end() - v.begin() == 24);
}

TEST_CASE("A slice is a range of the first dimension and shares the memory") {
  std::array<float, 24> a{};
  const view<float, 3> v(a.data(), {4, 3, 2}), s = v.slice(1, 2);
  CHECK(s.extents() == std::array{2, 3, 2});
  CHECK(&s(0, 0, 0) == &v(1, 0, 0));
  CHECK(&s(1, 2, 1) == &v(2, 2, 1));
  CHECK(v.slice(4, 0).size() == 0);
  const view<const float, 3> c = v;
  CHECK(&c.slice(3, 1)(0, 0, 0) == &v(3, 0, 0));
}

TEST_CASE("A view works in constant expressions") {
  static constexpr std::array<int, 6> a{0, 1, 2, 3, 4, 5};
  constexpr view<const int, 2> v(a.data(), {2, 3});
  static_assert(v(1, 1) == 4 && v.slice(1, 1)(0, 2) == 5 && v.size() == 6);
  static_assert(view<int, 1>().size() == 0);
}

TEST_CASE("A feature view tells the shape of one image") {
  const feature_view<float> f{nullptr, 9, 3, 5, 7};
  CHECK(f.image() == shape{3, 5, 7});
  const feature_view<const float> c = f;
  CHECK(c.batch == 9);
}

}  // namespace shape_test
