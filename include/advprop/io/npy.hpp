// NumPy's .npy files of integers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>

namespace advprop {

/// What comes before the values of a .npy file of uint8 in C order, format version 1.0.
ADVPROP_API std::string npy_header(std::initializer_list<std::int64_t> shape);

/// An array of integers inside a .npy file's content, row-major and little-endian.
struct npy_array {
  std::string type;  ///< as NumPy writes it: |u1 for bytes, <i4, <i8 ...
  std::vector<std::int64_t> shape;
  std::span<const std::uint8_t> values;

  bool is_bytes() const { return type == "|u1"; }
  /// Such as "(50000, 32, 32, 3)".
  std::string shape_text() const;
  /// Number i of the array as it lies in memory.
  std::int64_t at(std::size_t i) const;
};

/// Reads a .npy file's content without copying it. Throws `file_error` beginning with `name` unless it is an array of
/// integers in C order and little-endian, with exactly the bytes that its shape asks for.
[[gnu::cold]] ADVPROP_API npy_array parse_npy(std::span<const std::uint8_t> bytes, const std::string& name);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/npy.inl>
#endif
