#include <advprop/attacks/device_images.hpp>

#include <algorithm>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <advprop/core/tensor.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu.hpp>

namespace device_images_test {

using namespace advprop;

// A copy would be the same memory.
static_assert(!std::is_copy_constructible_v<device_images<cpu>> && !std::is_copy_assignable_v<device_images<cpu>>);
static_assert(!std::is_copy_constructible_v<image_buffer<cpu>> && !std::is_copy_assignable_v<image_buffer<cpu>>);

TEST_CASE("transform replaces every number by a function of it and of one or two others at its place") {
  cpu d(2);
  tensor<float, 4> x({3, 2, 5, 3}), a(x.extents()), b(x.extents());
  for (int i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<float>(i), a.data()[i] = 2, b.data()[i] = static_cast<float>(-i);
  device_images<cpu> images(d, x.view());
  transform(images, device_images<cpu>(d, a.view()), [](float v, float w) { return v * w; });
  for (int i = 0; i < x.size(); ++i) CHECK(x.data()[i] == 2 * i);
  transform(images, device_images<cpu>(d, a.view()), device_images<cpu>(d, b.view()),
            [](float v, float w, float u) { return v + w + u; });
  for (int i = 0; i < x.size(); ++i) CHECK(x.data()[i] == i + 2);
  transform(images.slice(1, 1), device_images<cpu>(d, a.view()).slice(1, 1), [](float, float) { return 0.f; });
  for (int i = 0; i < x.size(); ++i) CHECK(x.data()[i] == (i >= 30 && i < 60 ? 0 : i + 2));
  transform(images, [](float v) { return 1 - v; });
  for (int i = 0; i < x.size(); ++i) CHECK(x.data()[i] == (i >= 30 && i < 60 ? 1 : -i - 1));
}

TEST_CASE("transform refuses numbers of another shape") {
  cpu d(1);
  tensor<float, 4> x({3, 2, 5, 3}), turned({3, 5, 2, 3}), fewer({2, 2, 5, 3});
  const auto two = [](float v, float) { return v; };
  const auto three = [](float v, float, float) { return v; };
  device_images<cpu> images(d, x.view());
  for (auto* other : {&turned, &fewer}) {
    const device_images<cpu> wrong(d, other->view()), right(d, x.view());
    CHECK_THROWS_WITH_AS(transform(images, wrong, two),
                         doctest::Contains("transform: there are 90 numbers in 3 images"), argument_error);
    CHECK_THROWS_AS(transform(images, wrong, right, three), argument_error);
    CHECK_THROWS_AS(transform(images, right, wrong, three), argument_error);
  }
  const device_images<cpu> right(d, x.view());
  const image_numbers<cpu> few(d, 2);
  CHECK_THROWS_WITH_AS(transform(images, right, few, [](float v, float, float) { return v; }),
                       "transform: there are numbers of 2 images for 3", argument_error);
}

TEST_CASE("A buffer owns its images, and gives them back to the arena") {
  cpu d(1);
  {
    image_buffer<cpu> b(d, {2, 3, 4, 1});
    CHECK(b.size() == 24);
    CHECK(b.device == &d);
    std::fill(b.begin(), b.end(), 1.f);
    const float* at = b.data();
    image_buffer<cpu> moved = std::move(b), other(d, {1, 3, 4, 1});
    CHECK(moved.data() == at);
    CHECK(moved.memory.data() == at);
    std::swap(moved, other);
    CHECK(other.data() == at);
    CHECK(other.extent(0) == 2);
    CHECK(moved.extent(0) == 1);
  }
  CHECK(d.memory().in_use() == 0);
}

}  // namespace device_images_test
