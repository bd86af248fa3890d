// The definitions of error.hpp (core/linkage.hpp).
#pragma once

#include <string>

#include <advprop/core/error.hpp>

namespace advprop::detail {

ADVPROP_API std::string message_part::text() const {
  switch (kind_) {
    case kind::integer:
      return std::to_string(integer_);
    case kind::natural:
      return std::to_string(natural_);
    case kind::single:
      return shortest(single_);
    case kind::real:
      return shortest(real_);
    case kind::text:
      break;
  }
  return std::string(text_);
}

}  // namespace advprop::detail
