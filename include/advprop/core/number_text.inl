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

}  // namespace advprop
