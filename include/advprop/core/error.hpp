// What this library throws, and how it words it.
#pragma once

#include <initializer_list>
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

/// One piece of a message. Every call of `fail` compiles to a list of these, which is cheap; putting them together is
/// not a template.
class message_part {
 public:
  message_part(std::string_view s) : text_(s) {}    // NOLINT: what fail's arguments convert to
  message_part(const std::string& s) : text_(s) {}  // NOLINT
  message_part(const char* s) : text_(s) {}         // NOLINT
  template <class T>
    requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
  message_part(T value) : number_(std::to_string(value)), text_(number_) {}  // NOLINT
  message_part(const message_part&) = delete;
  std::string_view text() const { return text_; }

 private:
  std::string number_;
  std::string_view text_;
};

[[gnu::cold, gnu::noinline]] inline std::string join_parts(std::initializer_list<message_part> parts) {
  std::string all;
  for (const message_part& p : parts) all += p.text();
  return all;
}

}  // namespace detail

/// Throws `Error` with the parts (texts and numbers) written one after the other.
template <class Error = error, class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  throw Error(detail::join_parts({detail::message_part(parts)...}));
}

}  // namespace advprop
