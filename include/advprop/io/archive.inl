// The definitions of archive.hpp (core/linkage.hpp).
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <advprop/io/archive.hpp>

namespace advprop {

ADVPROP_API void archive_writer::put(std::string_view key, const random_stream& r) {
  store(key, std::to_string(r.seed()) + ' ' + std::to_string(r.stream()) + ' ' + std::to_string(r.position()));
}

ADVPROP_API void archive_writer::put_bits(std::string_view key, std::uint64_t bits, std::size_t digits) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof text, bits, 16).ptr;
  const auto count = static_cast<std::size_t>(end - text);
  store(key, "0x" + std::string(digits - count, '0') + std::string(text, count));
}

ADVPROP_API void archive_writer::store(std::string_view key, std::string text) {
  if (!metadata.emplace(key, std::move(text)).second)
    fail<argument_error>("archive: key ", detail::shown(key), " is taken");
}

}  // namespace advprop
