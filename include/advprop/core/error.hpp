// What this library throws, and how it words it.
#pragma once

// Before all else that a compiler could stumble over.
#if __cplusplus < 202002L
#error "advprop: this is a C++20 library; compile with -std=c++20 or later"
#include <advprop_needs_cplusplus_20>  // is not there: after an #error alone compilers go on
#endif
#ifndef __cpp_exceptions
#error "advprop: errors are exceptions; compile without -fno-exceptions"
#endif
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "advprop: with -ffast-math or -ffinite-math-only nothing would notice a NaN; compile without"
#endif

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <advprop/core/linkage.hpp>
#include <advprop/core/number_text.hpp>

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

/// A number that nothing can go on with: a NaN or infinite loss, weight, logit or score.
struct numeric_error : error {
  using error::error;
};

/// More memory was asked for than a device has.
struct memory_error : error {
  using error::error;
};

namespace detail {

/// One piece of a message, as it came: making one costs a few stores, so a call of `fail` compiles to little. Putting
/// the text together is not a template.
class message_part {
 public:
  message_part(std::string_view s) : text_(s) {}    // NOLINT: what fail's arguments convert to
  message_part(const std::string& s) : text_(s) {}  // NOLINT
  message_part(const char* s) : text_(s) {}         // NOLINT
  template <class T>
    requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
  message_part(T value) {  // NOLINT
    if constexpr (std::is_same_v<T, float>)
      kind_ = kind::single, single_ = value;
    else if constexpr (std::is_floating_point_v<T>)
      kind_ = kind::real, real_ = static_cast<double>(value);
    else if constexpr (std::is_signed_v<T>)
      kind_ = kind::integer, integer_ = value;
    else
      kind_ = kind::natural, natural_ = value;
  }
  std::string text() const;

 private:
  enum class kind { text, integer, natural, single, real } kind_ = kind::text;
  union {
    std::string_view text_;
    long long integer_;
    unsigned long long natural_;
    float single_;
    double real_;
  };
};

template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void raise(std::initializer_list<message_part> parts) {
  std::string all;
  for (const message_part& p : parts) all += p.text();
  throw Error(all);
}

}  // namespace detail

/// Throws `Error` with the parts (texts and numbers) written one after the other.
template <class Error = error, class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  detail::raise<Error>({detail::message_part(parts)...});
}

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/core/error.inl>
#endif
