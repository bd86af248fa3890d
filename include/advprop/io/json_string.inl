// The definitions of json_string.hpp (core/linkage.hpp).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <advprop/io/json_string.hpp>

namespace advprop::detail {

ADVPROP_API bool is_utf8(std::string_view s) {
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto lead = static_cast<unsigned char>(s[i]);
    if (lead < 0x80) continue;
    const std::size_t more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (lead < 0xc2 || lead > 0xf4 || s.size() - i <= more) return false;
    unsigned code = lead & (0x3fu >> more);
    for (std::size_t k = 0; k < more; ++k) {
      const auto next = static_cast<unsigned char>(s[++i]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3fu);
    }
    constexpr unsigned least[] = {0, 0x80, 0x800, 0x10000};
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

ADVPROP_API std::string json_string(std::string_view s) {
  constexpr char hex[] = "0123456789abcdef";
  constexpr std::string_view special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
  std::string text = "\"";
  for (const char c : s) {
    if (const std::size_t at = special.find(c); at != std::string_view::npos) {
      text += '\\';
      text += letters[at];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      text += "\\u00";
      text += hex[c / 16];
      text += hex[c % 16];
    } else {
      text += c;
    }
  }
  return text + '"';
}

}  // namespace advprop::detail
