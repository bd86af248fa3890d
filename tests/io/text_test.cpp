#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

#include <advprop/io/text.hpp>

namespace text_test {

using namespace advprop;

TEST_CASE("numbers are written with fixed decimals, and minus zero is zero") {
  CHECK(fixed(0.4125, 3) == "0.412");  // 0.4125 is exact: ties go to even
  CHECK(fixed(-1.25, 1) == "-1.2");
  CHECK(fixed(-0.0001, 2) == "0.00");
  CHECK(fixed(93, 0) == "93");
  CHECK(fixed(std::numeric_limits<double>::quiet_NaN(), 1) == "nan");
  CHECK(fixed(-std::numeric_limits<double>::infinity(), 1) == "-inf");
  CHECK(fixed(std::numeric_limits<double>::max(), 20).size() == 309 + 1 + 20);
  CHECK(significant(0.0002739, 3) == "0.000274");
  CHECK(significant(2.5, 4) == "2.5");
}

TEST_CASE("digits are grouped by three") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(25557032) == "25,557,032");
  CHECK(grouped(-100) == "-100");
  CHECK(grouped(-123456) == "-123,456");
}

TEST_CASE("durations are seconds, minutes or hours") {
  CHECK(duration(0) == "0 s");
  CHECK(duration(59.4) == "59 s");
  CHECK(duration(59.6) == "1:00");
  CHECK(duration(761) == "12:41");
  CHECK(duration(11220) == "3:07:00");
  CHECK(duration(-1) == "?");
  CHECK(duration(std::numeric_limits<double>::quiet_NaN()) == "?");
}

TEST_CASE("text is shortened between code points") {
  CHECK(code_points("ε = 8 █") == 7);
  CHECK(shortened("Ankle boot", 10) == "Ankle boot");
  CHECK(shortened("Ankle boot", 6) == "Ankle…");
  CHECK(shortened("εεεε", 3) == "εε…");
  CHECK(shortened("abc", 0) == "");
}

}  // namespace text_test
