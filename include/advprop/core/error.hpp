// What this library throws, and how it words it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace advprop {

/// Base of everything thrown here. `what()` is one sentence that names the culprit: a file, an argument, a layer.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A file or folder that is missing, truncated, malformed or cannot be written.
struct file_error : error {
  using error::error;
};

/// An argument outside its range, or two shapes that do not fit.
struct argument_error : error {
  using error::error;
};

/// A number that training cannot go on with: a NaN or infinite loss.
struct numeric_error : error {
  using error::error;
};

namespace detail {
inline std::string text(std::string_view s) { return std::string(s); }
template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
std::string text(T value) {
  return std::to_string(value);
}
}  // namespace detail

/// Throws `Error` with the parts written one after the other.
template <class Error = error, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error((std::string() + ... + detail::text(parts)));
}

}  // namespace advprop
