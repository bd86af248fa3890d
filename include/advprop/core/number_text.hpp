// Numbers in messages and descriptions.
#pragma once

#include <charconv>
#include <initializer_list>
#include <string>
#include <vector>

#include <advprop/core/linkage.hpp>

namespace advprop {

/// The shortest text that reads back as the same number, whatever the locale: 0.1, 5e-04 and never 0.100000001.
inline std::string shortest(float value) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}
inline std::string shortest(double value) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}
/// Several, with commas between them.
ADVPROP_API std::string shortest(const std::vector<float>& values);

namespace detail {
/// Flags and enumerators count as numbers.
struct named_number {
  const char* name;
  float value;
};
/// "pgd epsilon 4 step 1"
ADVPROP_API std::string described(const char* what, std::initializer_list<named_number> numbers);
}  // namespace detail

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/core/number_text.inl>
#endif
