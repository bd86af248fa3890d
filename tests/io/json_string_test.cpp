// JSON strings against nlohmann's writer.
#include <advprop/core/random.hpp>
#include <advprop/io/json_string.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace json_string_test {

using namespace advprop;

namespace {

/// What nlohmann writes; empty where it refuses the bytes.
std::string reference(const std::string& s) {
  try {
    return nlohmann::json(s).dump();
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

bool same(const std::string& s) {
  const std::string wanted = reference(s);
  if (detail::is_utf8(s) != !wanted.empty()) return false;
  return wanted.empty() || detail::json_string(s) == wanted;
}

}  // namespace

TEST_CASE("json strings are nlohmann's, and what it refuses is not UTF-8") {
  SUBCASE("every text of up to two bytes") {
    CHECK(same(""));
    int wrong = 0;
    for (int a = 0; a < 256; ++a) {
      const std::string first(1, static_cast<char>(a));
      wrong += !same(first);
      for (int b = 0; b < 256; ++b) wrong += !same(first + static_cast<char>(b));
    }
    CHECK(wrong == 0);
  }
  SUBCASE("every third byte behind the leads that have rules of their own, and fourth bytes") {
    int wrong = 0;
    for (int lead = 0xe0; lead < 0x100; ++lead)
      for (int b = 0x70; b < 0xd0; ++b)
        for (const int c : {0x00, 0x7f, 0x80, 0xbf, 0xc0}) {
          const std::string three{static_cast<char>(lead), static_cast<char>(b), static_cast<char>(c)};
          wrong += !same(three);
          for (const int d : {0x22, 0x7f, 0x80, 0xbf, 0xc0}) wrong += !same(three + static_cast<char>(d));
        }
    CHECK(wrong == 0);
  }
  SUBCASE("random mixtures of text, escapes and broken bytes") {
    random_stream r(1);
    const std::string pieces[] = {
        "layer1.0.bn1", "\"",         "\\",           "\n",       std::string(1, '\0'), "\x1f",    "\x7f", "\u00fc",
        "\u20ac",       "\U0001f600", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80",   "\xe2\x82"};
    int wrong = 0;
    for (int i = 0; i < 20000; ++i) {
      std::string s;
      for (int k = 0; k < 4; ++k) s += pieces[r.next() % std::size(pieces)];
      wrong += !same(s);
    }
    CHECK(wrong == 0);
  }
}

}  // namespace json_string_test
