// xtensor containers and views share memory both ways.
#include <advprop/io/xtensor.hpp>

#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/core/xmath.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <advprop/core/tensor.hpp>
#include <advprop/data/loader.hpp>

namespace xtensor_test {

using namespace advprop;

namespace {
template <class X>
concept viewable = requires(X&& x) {
  as_view<2>(std::forward<X>(x));
};
}  // namespace

TEST_CASE("an xtensor container becomes a view of its own memory") {
  xt::xtensor<float, 4> images = xt::xtensor<float, 4>::from_shape({2, 3, 4, 1});
  for (std::size_t i = 0; i < images.size(); ++i) images.flat(i) = static_cast<float>(i);
  image_view v = as_view<4>(images);
  CHECK(v.data() == images.data());
  CHECK(v.extents() == std::array<int, 4>{2, 3, 4, 1});
  CHECK(v(1, 2, 3, 0) == images(1, 2, 3, 0));
  v(1, 0, 2, 0) = -1;
  CHECK(images(1, 0, 2, 0) == -1);

  const auto& fixed = images;
  static_assert(std::is_same_v<decltype(as_view<4>(fixed)), view<const float, 4>>);
  xt::xarray<int> labels = {3, 1, 2};
  const_label_view l = as_view<1>(labels);
  CHECK(l.data() == labels.data());
  CHECK(l(2) == 2);
}

TEST_CASE("a view becomes an xtensor expression over its own memory") {
  tensor<float, 3> t({2, 3, 4});
  for (std::ptrdiff_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(i);
  auto x = as_xtensor(t.view());
  CHECK(x.data() == t.data());
  CHECK(x.dimension() == 3);
  CHECK(x(1, 2, 3) == 23);
  CHECK(xt::sum(x)() == 276);
  x(1, 0, 1) = -5;
  CHECK(t(1, 0, 1) == -5);
  auto part = as_xtensor(t.view().slice(1, 1));
  CHECK(part.shape()[0] == 1);
  CHECK(part(0, 0, 1) == -5);

  const tensor<float, 3>& fixed = t;
  auto read_only = as_xtensor(fixed.view());
  static_assert(std::is_const_v<std::remove_reference_t<decltype(read_only(0, 0, 0))>>);
  CHECK(read_only(0, 1, 0) == 4);
  CHECK(as_view<3>(x).data() == t.data());  // and back
}

TEST_CASE("dense parts are viewed in place; strided parts, columns first and wrong ranks are refused") {
  xt::xtensor<float, 2> a = {{0, 1, 2}, {3, 4, 5}, {6, 7, 8}};
  auto rows = xt::view(a, xt::range(1, 3), xt::all());
  auto v = as_view<2>(rows);
  CHECK(v.data() == &a(1, 0));
  CHECK(v.extents() == std::array<int, 2>{2, 3});
  CHECK(v(1, 2) == 8);
  auto columns = xt::view(a, xt::all(), xt::range(0, 2));
  CHECK_THROWS_WITH_AS(as_view<2>(columns), "as_view: the xtensor is not dense and row-major in dimension 0",
                       argument_error);
  CHECK_THROWS_WITH_AS(as_view<3>(a), "as_view: an xtensor of 2 dimensions where 3 are asked for", argument_error);
  xt::xtensor<float, 2, xt::layout_type::column_major> fortran = a;
  CHECK_THROWS_AS(as_view<2>(fortran), argument_error);
  xt::xtensor<float, 2, xt::layout_type::column_major> one_column = xt::zeros<float>({3, 1});
  CHECK(as_view<2>(one_column).extent(0) == 3);  // the same in both orders
}

TEST_CASE("a temporary container has no view") {
  using matrix = xt::xtensor<float, 2>;
  static_assert(viewable<matrix&> && viewable<const matrix&>);
  static_assert(!viewable<matrix> && !viewable<const matrix>);
}

TEST_CASE("a loader reads xtensor images without a copy of the data set") {
  xt::xtensor<float, 4> images = xt::ones<float>({3, 2, 2, 1});
  images *= 0.5f;
  xt::xtensor<int, 1> labels = {0, 1, 1};
  const array_source source(as_view<4>(images), as_view<1>(labels), 2);
  CHECK(source.images.data() == images.data());
  CHECK(source.labels.data() == labels.data());
  loader l(source, {.batch = 3, .shuffle = false});
  const image_batch& b = l.next();
  CHECK(b.images(2, 1, 1, 0) == 0.5f);
  CHECK(b.labels(2) == 1);
}

}  // namespace xtensor_test
