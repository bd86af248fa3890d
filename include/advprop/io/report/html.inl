// The definitions of html.hpp (core/linkage.hpp).
#pragma once

#include <string>
#include <string_view>

#include <advprop/io/report/html.hpp>

namespace advprop::html {

ADVPROP_API std::string escape(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      case '\n':
      case '\t':
        result += c;
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
          result += "\xEF\xBF\xBD";
        else
          result += c;
    }
  return result;
}

ADVPROP_API std::string element(std::string_view tag, std::string_view classes, std::string_view body) {
  std::string result = "<" + std::string(tag);
  if (!classes.empty()) result += " class=\"" + std::string(classes) + "\"";
  return result + ">" + std::string(body) + "</" + std::string(tag) + ">";
}

ADVPROP_API std::string series_style() {
  std::string css;
  for (const char* i : {"0", "1", "2", "3", "4", "5", "6", "7"}) {
    const std::string n = i;
    css += ".l" + n + " { stroke: var(--s" + n + "); } .f" + n + " { fill: var(--s" + n + "); } .b" + n +
           " { background: var(--s" + n + "); }\n";
  }
  return css;
}

}  // namespace advprop::html
