#include <advprop/core/tensor.hpp>

#include <algorithm>

#include <doctest/doctest.h>

namespace tensor_test {

using namespace advprop;

TEST_CASE("A tensor starts at zero, is indexed in row-major order and copies its values") {
  tensor<float, 3> t({2, 3, 4});
  CHECK(t.size() == 24);
  CHECK(std::all_of(t.begin(), t.end(), [](float v) { return v == 0; }));
  t(1, 2, 3) = 5;
  CHECK(t.data()[23] == 5);
  tensor<float, 3> u = t;
  u(1, 2, 3) = 6;
  CHECK(t(1, 2, 3) == 5);
  CHECK(u.extents() == std::array{2, 3, 4});
}

TEST_CASE("A tensor converts to the views that functions take") {
  tensor<float, 4> t({1, 2, 2, 3});
  const auto first = [](const_image_view v) { return v.data(); };
  CHECK(first(t) == t.data());
  CHECK(t.view().slice(0, 1).data() == t.data());
  const image_view writable = t;
  writable(0, 1, 1, 2) = 3;
  const auto& constant = t;
  CHECK(constant(0, 1, 1, 2) == 3);
  CHECK(constant.view()(0, 1, 1, 2) == 3);
}

TEST_CASE("resize keeps the memory where it suffices and zeroes what is new") {
  tensor<int, 1> t({8});
  std::fill(t.begin(), t.end(), 7);
  const int* at = t.data();
  t.resize({3});
  CHECK(t.size() == 3);
  t.resize({6});
  CHECK(t.data() == at);
  CHECK((t(3) == 0 && t(5) == 0));
  t.resize({0});
  CHECK(t.size() == 0);
}

TEST_CASE("What was moved from is empty") {
  tensor<int, 2> t({2, 3});
  t(1, 2) = 7;
  const int* at = t.data();
  tensor<int, 2> moved = std::move(t);
  CHECK(moved.data() == at);
  CHECK((t.size() == 0 && t.extents() == std::array{0, 0}));  // NOLINT(bugprone-use-after-move)
  tensor<int, 2> assigned({1, 1});
  assigned = std::move(moved);
  CHECK((assigned.data() == at && assigned(1, 2) == 7));
  CHECK((moved.size() == 0 && moved.extents() == std::array{0, 0}));  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("A negative extent is refused") {
  CHECK_THROWS_WITH_AS((tensor<int, 2>({2, -1})), "tensor: negative extent -1", argument_error);
}

TEST_CASE("Extents that overflow are refused, and too many values are more than memory holds") {
  CHECK_THROWS_WITH_AS((tensor<float, 4>({1 << 16, 1 << 16, 1 << 16, 1 << 16})),
                       "tensor: its extents overflow at 65536", argument_error);
  tensor<float, 3> t({1, 2, 3});
  CHECK_THROWS_WITH_AS(t.resize({1 << 30, 1 << 30, 4}),
                       "tensor: there is no memory for 4611686018427387904 values of 4 bytes", memory_error);
  CHECK(t.extents() == std::array{1, 2, 3});
  CHECK(t.size() == 6);
}

}  // namespace tensor_test
