#include <advprop/attacks/arithmetic.hpp>

#include <limits>

#include <doctest/doctest.h>

#include <advprop/core/random.hpp>

namespace arithmetic_test {

using namespace advprop;

static_assert(sign(3.f) == 1 && sign(-1e-30f) == -1 && sign(0.f) == 0 && sign(-0.f) == 0);
static_assert(clamp(0.5f, 0, 1) == 0.5f && clamp(-1, 0, 1) == 0 && clamp(2, 0, 1) == 1);

TEST_CASE("A projection stays inside the ball and the cube exactly, and moves no further than it must") {
  random_stream r(1);
  for (int i = 0; i < 300000; ++i) {
    const float original = i % 7 == 0 ? static_cast<float>(r.below(2)) : r.uniform();
    const float epsilon = i % 3 == 0 ? static_cast<float>(1 + r.below(16)) / 255 : r.uniform(0, 0.3f);
    const float x = original + r.uniform(-2, 2) * epsilon, y = project(x, original, epsilon);
    REQUIRE(std::fabs(y - original) <= epsilon);
    REQUIRE((y >= 0 && y <= 1));
    const double nearest = std::fmin(
        std::fmax(std::fmin(std::fmax(double(x), double(original) - epsilon), double(original) + epsilon), 0), 1);
    REQUIRE(std::fabs(y - nearest) < 1.3e-7);
  }
  CHECK(project(0.3f, 0.25f, 0) == 0.25f);
}

}  // namespace arithmetic_test
