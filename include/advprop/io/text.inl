// The definitions of text.hpp (core/linkage.hpp).
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <advprop/io/text.hpp>

namespace advprop {

ADVPROP_API std::string fixed(double value, int digits) {
  if (std::isnan(value)) return "nan";
  char buffer[384];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, digits);
  if (end.ec != std::errc{}) return value < 0 ? "-inf" : "inf";
  std::string text(buffer, end.ptr);
  if (text[0] == '-' && text.find_first_of("123456789in") == std::string::npos) text.erase(0, 1);
  return text;
}

ADVPROP_API std::string significant(double value, int digits) {
  if (std::isnan(value)) return "nan";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits);
  return std::string(buffer, end.ptr);
}

ADVPROP_API std::string grouped(std::int64_t count) {
  std::string text = std::to_string(count);
  const std::ptrdiff_t first = count < 0 ? 1 : 0;
  for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > first; i -= 3)
    text.insert(static_cast<std::size_t>(i), 1, ',');
  return text;
}

ADVPROP_API std::string duration(double seconds) {
  if (!(seconds >= 0 && seconds < 1e9)) return "?";
  const auto total = static_cast<std::int64_t>(seconds + 0.5);
  if (total < 60) return std::to_string(total) + " s";
  const auto two = [](std::int64_t v) { return (v < 10 ? "0" : "") + std::to_string(v); };
  if (total < 3600) return std::to_string(total / 60) + ":" + two(total % 60);
  return std::to_string(total / 3600) + ":" + two(total / 60 % 60) + ":" + two(total % 60);
}

ADVPROP_API int code_points(std::string_view utf8) {
  int count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  return count;
}

ADVPROP_API std::string shortened(std::string_view utf8, int count) {
  if (count <= 0) return {};
  if (code_points(utf8) <= count) return std::string(utf8);
  std::size_t end = 0;
  for (int seen = 0; end < utf8.size(); ++end)
    if ((static_cast<unsigned char>(utf8[end]) & 0xC0u) != 0x80u && ++seen == count) break;
  return std::string(utf8.substr(0, end)) + "…";
}

}  // namespace advprop
