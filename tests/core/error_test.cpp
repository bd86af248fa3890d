#include <advprop/core/error.hpp>

#include <cstdint>
#include <string>

#include <doctest/doctest.h>

namespace error_test {

using namespace advprop;

TEST_CASE("fail throws the class it is asked for, its parts written one after the other") {
  const std::string name = "conv1.weight";
  CHECK_THROWS_WITH_AS(fail<file_error>("a.bin: tensor ", name, " has ", std::int64_t{-3}, " of ", 7u, " numbers"),
                       "a.bin: tensor conv1.weight has -3 of 7 numbers", file_error);
  CHECK_THROWS_WITH_AS(fail("plain"), "plain", error);
}

TEST_CASE("Everything thrown is an advprop::error and a runtime_error") {
  CHECK_THROWS_AS(fail<file_error>(""), error);
  CHECK_THROWS_AS(fail<argument_error>(""), error);
  CHECK_THROWS_AS(fail<numeric_error>(""), error);
  CHECK_THROWS_AS(fail<numeric_error>(""), std::runtime_error);
}

}  // namespace error_test
