// expect: advprop: this is a C\+\+20 library; compile with -std=c\+\+20 or later
// One sentence before all that an older standard lacks.
#include <advprop/core/number_text.hpp>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#ifndef CONTROL
#undef __cplusplus
#define __cplusplus 201703L  // as -std=c++17 does
#endif
#include <advprop/core/error.hpp>
