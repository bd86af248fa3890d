// NumPy's .npy files.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace advprop {

/// What comes before the values of a .npy file of uint8 in C order, format version 1.0.
inline std::string npy_header(std::initializer_list<std::int64_t> shape) {
  std::string text = "{'descr': '|u1', 'fortran_order': False, 'shape': (";
  for (const std::int64_t extent : shape) (text += std::to_string(extent)) += shape.size() == 1 ? "," : ", ";
  if (shape.size() > 1) text.resize(text.size() - 2);
  text += "), }";
  constexpr std::size_t magic = 10;  // bytes before the text; values begin at a multiple of 64
  text.append(63 - (magic + text.size()) % 64, ' ') += '\n';
  std::string header = "\x93NUMPY\x01";
  header += '\0';
  header += static_cast<char>(text.size() & 255);
  header += static_cast<char>(text.size() >> 8);
  return header += text;
}

}  // namespace advprop
