// A hash that tells whether contents are those of an earlier run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

namespace advprop::program {

/// 64-bit FNV-1a.
class content_hash {
 public:
  template <class T>
  void add(std::span<const T> values) {
    for (const std::byte b : std::as_bytes(values))
      value_ = (value_ ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3u;
  }
  void add(int value) { add(std::span<const int>(&value, 1)); }

  std::string text() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value_));
    return digits;
  }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

}  // namespace advprop::program
