// Named scalars, texts and arrays in one safetensors file: what a training run needs to go on exactly where it stopped.
#pragma once

#include <bit>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/io/safetensors.hpp>

namespace advprop {

namespace detail {
template <class T>
concept archive_number = std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && sizeof(T) <= 8;

template <class T>
using bits_of = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
}  // namespace detail

/// A `safetensors_writer` for scalars too. They go to `__metadata__`: integers in decimal, a float or double as its
/// bits (`0x` and 8 or 16 digits), so that every value, NaN and -0 among them, comes back exactly.
class archive_writer : public safetensors_writer {
 public:
  template <detail::archive_number T>
  void put(std::string_view key, T value) {
    if constexpr (std::is_floating_point_v<T>)
      put_bits(key, std::bit_cast<detail::bits_of<T>>(value), 2 * sizeof value);
    else
      store(key, std::to_string(value));
  }

  /// Only a bool: a pointer must not end as one.
  template <std::same_as<bool> T>
  void put(std::string_view key, T value) {
    store(key, value ? "true" : "false");
  }

  void put(std::string_view key, std::string_view text) { store(key, std::string(text)); }
  void put(std::string_view key, const char* text) { store(key, text); }

  /// Seed, stream and position.
  void put(std::string_view key, const random_stream& r);

 private:
  void put_bits(std::string_view key, std::uint64_t bits, std::size_t digits);
  void store(std::string_view key, std::string text);
};

/// What an `archive_writer` wrote; arrays by `values`, `copy` and `floats` of `safetensors`.
/// Throws `file_error`, naming file and key, for a missing key and for one of another type.
class archive : public safetensors {
 public:
  explicit archive(safetensors file) : safetensors(std::move(file)) {}
  static archive read(const std::string& path) { return archive(safetensors::read(path)); }

  /// There is such a scalar or text; `contains` asks for arrays.
  bool has(std::string_view key) const { return metadata().find(key) != metadata().end(); }

  /// `T` as it was put: any integer type wide enough, float, double, bool, std::string or `random_stream`.
  template <class T>
  T get(std::string_view key) const {
    const auto found = metadata().find(key);
    if (found == metadata().end()) fail<file_error>(name(), ": has no key ", detail::shown(key));
    const std::string_view text = found->second;
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto refuse = [&](std::string_view what) {
      fail<file_error>(name(), ": key ", detail::shown(key), " is ", detail::shown(text), ", not ", what);
    };
    const auto number = [&](auto& value, std::string_view what, auto... base) {
      const auto [next, error] = std::from_chars(at, end, value, base...);
      if (error != std::errc()) refuse(what);
      at = next;
    };

    if constexpr (std::is_same_v<T, std::string>) {
      return found->second;
    } else if constexpr (std::is_same_v<T, bool>) {
      if (text != "true" && text != "false") refuse("true or false");
      return text == "true";
    } else if constexpr (std::is_same_v<T, random_stream>) {
      std::uint64_t part[3];
      for (int i = 0; i < 3; ++i) {
        if (i > 0 && (at == end || *at++ != ' ')) refuse("a random stream");
        number(part[i], "a random stream");
      }
      if (at != end) refuse("a random stream");
      return random_stream(part[0], part[1], part[2]);
    } else if constexpr (std::is_floating_point_v<T>) {
      static_assert(detail::archive_number<T>);
      constexpr auto what = sizeof(T) == 8 ? "the bits of a double" : "the bits of a float";
      detail::bits_of<T> bits;
      if (!text.starts_with("0x") || text.size() != 2 + 2 * sizeof bits) refuse(what);
      at += 2;
      number(bits, what, 16);
      if (at != end) refuse(what);
      return std::bit_cast<T>(bits);
    } else {
      static_assert(detail::archive_number<T>);
      T value;
      number(value, "an integer in range");
      if (at != end) refuse("an integer in range");
      return value;
    }
  }
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/archive.inl>
#endif
