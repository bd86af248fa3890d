#include <doctest/doctest.h>

#include <limits>

#include <advprop/core/number_text.hpp>

namespace number_text_test {

using namespace advprop;

TEST_CASE("a number's shortest text reads back as the same number") {
  CHECK(shortest(0.1f) == "0.1");
  CHECK(shortest(0.1) == "0.1");
  CHECK(shortest(double(0.1f)) == "0.10000000149011612");
  CHECK(shortest(-1e-8f) == "-1e-08");
  CHECK(shortest(2.0) == "2");
  CHECK(shortest(std::numeric_limits<float>::quiet_NaN()) == "nan");
}

}  // namespace number_text_test
