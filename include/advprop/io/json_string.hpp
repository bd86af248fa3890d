// A text as a JSON string. For headers that every program includes: nlohmann's writer of whole values takes a second
// to compile.
#pragma once

#include <string>
#include <string_view>

#include <advprop/core/linkage.hpp>

namespace advprop::detail {

/// Well-formed UTF-8 (Unicode 15, table 3-7): shortest forms only, no surrogates, nothing past U+10FFFF.
ADVPROP_API bool is_utf8(std::string_view s);

/// `s` in quotes, with escapes; `s` is UTF-8, and so is the result.
[[gnu::cold]] ADVPROP_API std::string json_string(std::string_view s);

}  // namespace advprop::detail

#if ADVPROP_HEADER_ONLY
#include <advprop/io/json_string.inl>
#endif
