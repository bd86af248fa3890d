// The definitions of npy.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/io/npy.hpp>

namespace advprop {

ADVPROP_API std::string npy_header(std::initializer_list<std::int64_t> shape) {
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

ADVPROP_API std::string npy_array::shape_text() const {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) (text += i ? ", " : "") += std::to_string(shape[i]);
  return text += ")";
}

ADVPROP_API std::int64_t npy_array::at(std::size_t i) const {
  const auto width = static_cast<std::size_t>(type[2] - '0');
  std::uint64_t bits = 0;
  for (std::size_t b = 0; b < width; ++b) bits |= std::uint64_t{values[i * width + b]} << 8 * b;
  const std::uint64_t sign = std::uint64_t{1} << (8 * width - 1);
  return static_cast<std::int64_t>(type[1] == 'i' ? (bits ^ sign) - sign : bits);
}

}  // namespace advprop

namespace advprop::detail {

/// The header's text: a Python dictionary of three entries. Errors begin with `name`.
class npy_header_reader {
 public:
  npy_header_reader(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  npy_array read() {
    npy_array result;
    bool typed = false, ordered = false, shaped = false;
    expect("{");
    while (!take("}")) {
      const std::string_view key = quoted();
      expect(":");
      if (key == "descr") {
        if (peek() != '\'') fail<file_error>(name_, ": holds records, where an array of integers is expected");
        result.type = quoted();
        typed = true;
      } else if (key == "fortran_order") {
        if (take("True"))
          fail<file_error>(name_, ": is in Fortran order; only C order is read (numpy.ascontiguousarray)");
        expect("False");
        ordered = true;
      } else if (key == "shape") {
        result.shape = tuple();
        shaped = true;
      } else {
        wrong();
      }
      take(",");
    }
    if (!typed || !ordered || !shaped) wrong();
    return result;
  }

 private:
  [[noreturn]] void wrong() const { fail<file_error>(name_, ": its .npy header is malformed"); }
  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    return rest_.empty() ? '\0' : rest_[0];
  }
  bool take(std::string_view token) {
    peek();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) wrong();
  }
  std::string_view quoted() {
    expect("'");
    const auto end = rest_.find('\'');
    if (end == rest_.npos) wrong();
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> numbers;
    expect("(");
    while (!take(")")) {
      std::int64_t value = 0;
      std::size_t digits = 0;
      for (peek(); digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
        if (value > INT64_MAX / 16) wrong();
        value = 10 * value + (rest_[digits] - '0');
      }
      if (digits == 0) wrong();
      rest_.remove_prefix(digits);
      numbers.push_back(value);
      take(",");
    }
    return numbers;
  }

  std::string_view rest_;
  const std::string& name_;
};

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API npy_array parse_npy(std::span<const std::uint8_t> bytes, const std::string& name) {
  constexpr std::string_view magic = "\x93NUMPY";
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!all.starts_with(magic)) fail<file_error>(name, ": is not a .npy file");
  if (bytes.size() < 12) fail<file_error>(name, ": truncated inside its .npy header");
  const unsigned version = bytes[6];
  if (version < 1 || version > 3) fail<file_error>(name, ": .npy version ", version, " is not read, only 1 to 3");
  const std::size_t begin = version == 1 ? 10 : 12;
  std::size_t length = 0;
  for (std::size_t i = begin; i-- > 8;) length = length << 8 | bytes[i];
  if (length > bytes.size() - begin) fail<file_error>(name, ": truncated inside its .npy header");

  npy_array result = detail::npy_header_reader(all.substr(begin, length), name).read();
  const std::string& type = result.type;
  if (type.size() == 3 && type[0] == '>')
    fail<file_error>(name, ": type ", type, " is big-endian; only little-endian numbers are read");
  const bool integers =
      type.size() == 3 && (type[1] == 'u' || type[1] == 'i') &&
      (type[0] == '|' ? type[2] == '1'
                      : type[0] == '<' && std::string_view("248").find(type[2]) != std::string_view::npos);
  if (!integers) fail<file_error>(name, ": type ", type, " is not read, only integers");

  result.values = bytes.subspan(begin + length);
  std::uint64_t count = static_cast<std::uint64_t>(type[2] - '0');
  for (const std::int64_t extent : result.shape) {
    if (extent > 0 && count > static_cast<std::uint64_t>(INT64_MAX / extent))
      fail<file_error>(name, ": its shape ", result.shape_text(), " asks for more than 2^63 bytes");
    count *= static_cast<std::uint64_t>(extent);
  }
  if (result.values.size() < count)
    fail<file_error>(name, ": truncated: ", result.values.size(), " bytes of data where its shape ",
                     result.shape_text(), " asks for ", count);
  if (result.values.size() > count)
    fail<file_error>(name, ": ", result.values.size() - count, " bytes too many behind the ", count,
                     " that its shape asks for");
  return result;
}

}  // namespace advprop
