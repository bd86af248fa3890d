// Tests of operations run once for each instruction set that this processor has.
#pragma once

#include <string>

#include <doctest/doctest.h>

#include <advprop/device/instruction_set.hpp>

/// What the devices of a test are to be made with: `cpu d(2, tested)`.
inline advprop::instruction_set tested = advprop::best_instruction_set();

#define TEST_EACH_SET_(function, text)                                       \
  static void function();                                                    \
  TEST_CASE(text) {                                                          \
    for (const advprop::instruction_set set : advprop::instruction_sets()) { \
      INFO("instruction set ", std::string(name(set)));                      \
      tested = set;                                                          \
      function();                                                            \
    }                                                                        \
    tested = advprop::best_instruction_set();                                \
  }                                                                          \
  static void function()
#define TEST_EACH_SET(text) TEST_EACH_SET_(DOCTEST_ANONYMOUS(test_each_set_), text)
