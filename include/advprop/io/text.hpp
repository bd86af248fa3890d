// Numbers as people read them: fixed decimals, grouped digits, durations; the width of UTF-8 text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <advprop/core/linkage.hpp>

namespace advprop {

/// `value` with `digits` decimals, whatever the locale; "nan", "inf" and "-inf" as they are, never "-0.0".
ADVPROP_API std::string fixed(double value, int digits);

/// The shortest text with `digits` significant digits: 0.001, 2.5, 1e-05.
ADVPROP_API std::string significant(double value, int digits);

/// 1234567 as "1,234,567".
ADVPROP_API std::string grouped(std::int64_t count);

/// Seconds as "42 s", "12:41" or "3:07:00"; "?" for what is not a finite time.
ADVPROP_API std::string duration(double seconds);

/// Code points of UTF-8 text: its columns on a terminal, for the letters used here.
ADVPROP_API int code_points(std::string_view utf8);

/// The first `count` code points; the last of them becomes an ellipsis where text is lost.
ADVPROP_API std::string shortened(std::string_view utf8, int count);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/text.inl>
#endif
