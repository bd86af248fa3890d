// Reading JSON (RFC 8259) as events. Every program that saves a model includes this, and nlohmann's parser, which the
// rest of the project uses, costs each two seconds of compiling.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace advprop::detail {

/// Calls `handler` for one JSON text in UTF-8, strictly: `null`, `boolean(bool)`, `number_unsigned(std::uint64_t)`,
/// `number_integer` (negative), `number_float` (a fraction, an exponent, or more than 64 bits), `string(std::string&)`,
/// `key(std::string&)`, `start_object`, `end_object`, `start_array`, `end_array`, and `parse_error(position)` with the
/// byte, counted from 1, that is wrong. It must throw there, and where nesting gets too deep for it.
template <class Handler>
class json_reader {
 public:
  json_reader(std::string_view text, Handler& handler) : text_(text), handler_(handler) {}

  [[gnu::cold]] void read() {
    space();
    value();
    space();
    if (at_ < text_.size()) wrong();
  }

 private:
  [[noreturn]] void wrong() {
    handler_.parse_error(at_ + 1);
    __builtin_unreachable();
  }
  /// The next byte, or -1 at the end.
  int peek() const { return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : -1; }
  void expect(char c) {
    if (peek() != c) wrong();
    ++at_;
  }
  void word(std::string_view w) {
    for (const char c : w) expect(c);
  }
  void space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }

  [[gnu::cold]] void value() {
    switch (peek()) {
      case '{':
        return object();
      case '[':
        return array();
      case '"': {
        std::string s = text();
        return handler_.string(s);
      }
      case 't':
        word("true");
        return handler_.boolean(true);
      case 'f':
        word("false");
        return handler_.boolean(false);
      case 'n':
        word("null");
        return handler_.null();
      default:
        return number();
    }
  }

  void object() {
    ++at_;
    handler_.start_object();
    space();
    if (peek() != '}')
      for (;;) {
        if (peek() != '"') wrong();
        std::string name = text();
        handler_.key(name);
        space();
        expect(':');
        space();
        value();
        space();
        if (peek() == '}') break;
        expect(',');
        space();
      }
    ++at_;
    handler_.end_object();
  }

  void array() {
    ++at_;
    handler_.start_array();
    space();
    if (peek() != ']')
      for (;;) {
        value();
        space();
        if (peek() == ']') break;
        expect(',');
        space();
      }
    ++at_;
    handler_.end_array();
  }

  bool digit() const { return peek() >= '0' && peek() <= '9'; }
  void digits() {
    if (!digit()) wrong();
    while (digit()) ++at_;
  }
  void number() {
    const bool negative = peek() == '-';
    at_ += negative;
    if (!digit()) wrong();
    const bool zero = peek() == '0';
    std::uint64_t whole = 0;
    bool fits = true;
    do {
      const auto d = static_cast<unsigned>(peek() - '0');
      fits = fits && whole <= (std::numeric_limits<std::uint64_t>::max() - d) / 10;
      whole = fits ? whole * 10 + d : 0;
      ++at_;
    } while (digit() && !zero);
    const std::size_t end = at_;
    if (peek() == '.') ++at_, digits();
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    if (at_ != end || !fits) return handler_.number_float();
    return negative ? handler_.number_integer() : handler_.number_unsigned(whole);
  }

  unsigned hex4() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int c = peek();
      if (c >= '0' && c <= '9')
        code = code << 4 | static_cast<unsigned>(c - '0');
      else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        code = code << 4 | static_cast<unsigned>((c | 0x20) - 'a' + 10);
      else
        wrong();
    }
    return code;
  }

  /// What follows a backslash.
  void escape(std::string& into) {
    constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    const int c = peek();
    if (c == 'u') {
      ++at_;
      unsigned code = hex4();
      if (code >= 0xdc00 && code < 0xe000) --at_, wrong();
      if (code >= 0xd800 && code < 0xdc00) {  // the first half of a pair
        expect('\\');
        expect('u');
        const unsigned low = hex4();
        if (low < 0xdc00 || low >= 0xe000) --at_, wrong();
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
      }
      if (code < 0x80) {
        into += static_cast<char>(code);
        return;
      }
      const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
      constexpr unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
      into += static_cast<char>(lead[more] | code >> 6 * more);
      for (int i = more; i-- > 0;) into += static_cast<char>(0x80 | (code >> 6 * i & 0x3f));
      return;
    }
    const auto which = c < 0 ? letters.npos : letters.find(static_cast<char>(c));
    if (which == letters.npos) wrong();
    into += meant[which];
    ++at_;
  }

  /// A character of more than one byte (Unicode 15, table 3-7).
  void wide(std::string& into) {
    const int lead = peek();
    if (lead < 0xc2 || lead > 0xf4) wrong();
    const int more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    into += text_[at_++];
    for (int i = 0; i < more; ++i, ++at_) {
      int low = 0x80, high = 0xbf;
      if (i == 0 && lead == 0xe0) low = 0xa0;   // shorter forms,
      if (i == 0 && lead == 0xed) high = 0x9f;  // surrogates,
      if (i == 0 && lead == 0xf0) low = 0x90;
      if (i == 0 && lead == 0xf4) high = 0x8f;  // beyond U+10FFFF
      if (peek() < low || peek() > high) wrong();
      into += text_[at_];
    }
  }

  std::string text() {
    ++at_;
    std::string s;
    for (;;) {
      const int c = peek();
      if (c < 0x20) wrong();  // the end too
      if (c == '"') break;
      if (c == '\\') {
        ++at_;
        escape(s);
      } else if (c < 0x80) {
        s += static_cast<char>(c);
        ++at_;
      } else {
        wide(s);
      }
    }
    ++at_;
    return s;
  }

  std::string_view text_;
  Handler& handler_;
  std::size_t at_ = 0;
};

}  // namespace advprop::detail
