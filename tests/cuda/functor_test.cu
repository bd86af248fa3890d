// A function of the user's own, in a file that nvcc compiles.
#include <advprop/attacks/device_images.hpp>
#include <advprop/device/cuda.hpp>
#include <advprop/ops/cuda.hpp>

#include <vector>

#include <doctest/doctest.h>

using namespace advprop;

TEST_CASE("transform takes a lambda in a .cu file") {
  cuda d;
  const std::vector<float> start{0.f, 1.f, 2.f, 3.f};
  const arena::block x = d.memory().allocate(16), y = d.memory().allocate(16);
  const std::span<float> xs(static_cast<float*>(x.data()), 4), ys(static_cast<float*>(y.data()), 4);
  memory_copy(d, start, xs);
  memory_copy(d, start, ys);
  const float a = 10;
  transform(d, image_view(xs.data(), {1, 1, 4, 1}), const_image_view(ys.data(), {1, 1, 4, 1}),
            [=] ADVPROP_HD(float v, float w) { return a * v + w; });
  std::vector<float> found(4);
  memory_copy(d, xs, found);
  CHECK(found == std::vector<float>{0.f, 11.f, 22.f, 33.f});
  transform(device_images<cuda>(d, image_view(xs.data(), {1, 1, 4, 1})), [=] ADVPROP_HD(float v) { return v - a; });
  memory_copy(d, xs, found);
  CHECK(found == std::vector<float>{-10.f, 1.f, 12.f, 23.f});
}
