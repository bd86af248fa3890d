// The definitions of number_text.hpp (core/linkage.hpp).
#pragma once

#include <string>
#include <vector>

#include <advprop/core/number_text.hpp>

namespace advprop {

ADVPROP_API std::string shortest(const std::vector<float>& values) {
  std::string text;
  for (const float v : values) text += (text.empty() ? "" : ", ") + shortest(v);
  return text;
}

ADVPROP_API std::string detail::described(const char* what, std::initializer_list<named_number> numbers) {
  std::string text = what;
  for (const named_number& n : numbers) text += std::string(" ") + n.name + " " + shortest(n.value);
  return text;
}

}  // namespace advprop
