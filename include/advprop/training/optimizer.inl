// The definitions of optimizer.hpp (core/linkage.hpp).
#pragma once

#include <cmath>
#include <span>
#include <string>

#include <advprop/training/optimizer.hpp>

namespace advprop {

ADVPROP_API void detail::check_options(const char* optimizer, std::span<const optimizer_option> options) {
  for (const auto& [name, value, allowed] : options) {
    const auto refuse = [&, n = name, v = value](const char* range) {
      fail<argument_error>(optimizer, ": ", n, " is ", shortest(v), ", must be ", range);
    };
    using range = optimizer_option;
    if (allowed == range::not_negative && !(value >= 0 && std::isfinite(value))) refuse("0 or more");
    if (allowed == range::above_zero && !(value > 0 && std::isfinite(value))) refuse("positive");
    if (allowed == range::below_one && !(value >= 0 && value < 1)) refuse("in [0, 1)");
  }
}

ADVPROP_API std::string optimizer_description(const char* optimizer, std::span<const optimizer_option> options,
                                              std::span<const layer_rate> rates) {
  std::string text = optimizer;
  for (const auto& o : options) text += std::string(" ") + o.name + " " + shortest(o.value);
  return text + detail::described(rates);
}

}  // namespace advprop
