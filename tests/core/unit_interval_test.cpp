#include <advprop/core/unit_interval.hpp>

#include <cmath>

#include <doctest/doctest.h>

#include <advprop/core/tensor.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu.hpp>

namespace unit_interval_test {

using namespace advprop;

TEST_CASE("Values outside [0, 1] are refused with their image") {
  tensor<float, 4> x({3, 2, 2, 1});
  x(2, 1, 1, 0) = 1;
  CHECK_NOTHROW(check_unit_interval("here", x));
  CHECK_NOTHROW(check_unit_interval("here", tensor<float, 4>({0, 2, 2, 1})));
  x(1, 0, 1, 0) = 1.5f;
  CHECK_THROWS_WITH_AS(check_unit_interval("here", x), "here: value 1.5 in image 1 of the batch is outside [0, 1]",
                       argument_error);
  for (const float bad : {-0.25f, NAN}) {
    x(1, 0, 1, 0) = bad;
    CHECK_THROWS_AS(check_unit_interval("here", x), argument_error);
  }
}

TEST_CASE("Only numbers that lie in the host's memory are looked at") {
  cpu d(1), dry(dry_run{});
  tensor<float, 4> x({1, 1, 1, 1});
  x(0, 0, 0, 0) = 255;
  CHECK_THROWS_AS(check_host_images("here", d, x), argument_error);
  CHECK_NOTHROW(check_host_images("here", dry, x));
  const arena::block memory = d.memory().allocate(sizeof(float));
  *static_cast<float*>(memory.data()) = 255;
  CHECK_NOTHROW(check_host_images("here", d, {static_cast<float*>(memory.data()), {1, 1, 1, 1}}));
}

}  // namespace unit_interval_test
