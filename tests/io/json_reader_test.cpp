#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <advprop/core/random.hpp>
#include <advprop/io/json_reader.hpp>

namespace json_reader_test {

namespace {

using advprop::random_stream;

/// What a parser says of a text, one word an event; "error at N" ends it.
struct events {
  std::string all;
  void null() { all += "null "; }
  void boolean(bool b) { all += b ? "true " : "false "; }
  void number_unsigned(std::uint64_t v) { all += std::to_string(v) + " "; }
  void number_integer() { all += "negative "; }
  void number_float() { all += "float "; }
  void string(std::string& s) { all += "<" + s + "> "; }
  void key(std::string& s) { all += "<" + s + ">: "; }
  void start_object() { all += "{ "; }
  void end_object() { all += "} "; }
  void start_array() { all += "[ "; }
  void end_array() { all += "] "; }
  [[noreturn]] void parse_error(std::size_t position) { throw position; }
};

std::string ours(const std::string& text) {
  events e;
  try {
    advprop::detail::json_reader(text, e).read();
  } catch (std::size_t position) {
    e.all += "error at " + std::to_string(position);
  }
  return e.all;
}

/// nlohmann's SAX parser, which calls the same things.
struct theirs_handler : nlohmann::json_sax<nlohmann::json> {
  events e;
  bool null() override { return e.null(), true; }
  bool boolean(bool b) override { return e.boolean(b), true; }
  bool number_integer(std::int64_t) override { return e.number_integer(), true; }
  bool number_unsigned(std::uint64_t v) override { return e.number_unsigned(v), true; }
  bool number_float(double, const std::string&) override { return e.number_float(), true; }
  bool string(std::string& s) override { return e.string(s), true; }
  bool binary(nlohmann::json::binary_t&) override { return true; }
  bool start_object(std::size_t) override { return e.start_object(), true; }
  bool key(std::string& s) override { return e.key(s), true; }
  bool end_object() override { return e.end_object(), true; }
  bool start_array(std::size_t) override { return e.start_array(), true; }
  bool end_array() override { return e.end_array(), true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    e.all += "error at " + std::to_string(position);
    return false;
  }
};
std::string theirs(const std::string& text) {
  theirs_handler h;
  nlohmann::json::sax_parse(text, &h);
  return h.e.all;
}

bool refused(const std::string& all) { return all.find("error at ") != std::string::npos; }

/// An exponent of three digits: nlohmann refuses numbers that no double holds.
bool huge(const std::string& text) {
  for (std::size_t i = 0, digits = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (text[i] == 'e' || text[i] == 'E')
      digits = 1;
    else if (digits > 0 && (digit || text[i] == '+' || text[i] == '-'))
      digits += digit;
    else
      digits = 0;
    if (digits > 3) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("A JSON text is read as events") {
  CHECK(ours(R"({"a": [1, -2, 3.5, 1e3, 18446744073709551615, 18446744073709551616], "b": {"c": "d\n"}})") ==
        "{ <a>: [ 1 negative float float 18446744073709551615 float ] <b>: { <c>: <d\n> } } ");
  CHECK(ours(" [true, false, null] ") == "[ true false null ] ");
  CHECK(ours(R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00")") == "<\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80> ");
}

TEST_CASE("What is not JSON is refused, as by nlohmann's parser") {
  for (const char* text : {"",
                           "{",
                           "[",
                           "{}x",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "[1,]",
                           "[,1]",
                           "01",
                           "-",
                           "1.",
                           "1e",
                           "+1",
                           ".5",
                           "tru",
                           "nul",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\n\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\udc00\"",
                           "\"\x01\"",
                           "\"\x80\"",
                           "\"\xc0\xaf\"",
                           "\"\xe0\x80\x80\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "\"\xf5\"",
                           "\"\xe2\x82",
                           "{1:2}",
                           "[1 2]",
                           "{\"a\" 1}",
                           "\v1"}) {
    CAPTURE(text);
    CHECK(refused(ours(text)));
    CHECK(refused(theirs(text)));
  }
  CHECK(ours("{\"a\":[1,]}") == "{ <a>: [ 1 error at 9");  // the byte itself, where nlohmann says where a word ends
}

TEST_CASE("Damaged texts read as nlohmann's parser reads them") {
  const std::string seeds[] = {
      R"({"__metadata__":{"format":"pt"},"conv1.weight":{"dtype":"F32","shape":[16,3,3,3],"data_offsets":[0,1728]}})",
      R"([0, -0, 1.5e-7, 12345678901234567890, 123456789012345678901, true, null, "aé\u00e9\ud83d\ude00\\"])",
      "{ \"a\" :\t[ ] ,\n\"b\":{ } }",
  };
  const std::string bytes = "{}[]\",:\\u0123456789abfnrtlse+-.eE \n\t\x7f\xc3\xa9\xed\xa0\xf0\x9f\x98\x80\x01";
  random_stream r(11);
  int accepted = 0;
  for (int i = 0; i < 30000; ++i) {
    std::string text = seeds[r.below(3)];
    for (int changes = r.below(4); changes > 0; --changes) {
      const auto at = static_cast<std::size_t>(r.below(static_cast<int>(text.size())));
      const char c = bytes[static_cast<std::size_t>(r.below(static_cast<int>(bytes.size())))];
      switch (r.below(3)) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text.erase(at, 1 + static_cast<std::size_t>(r.below(3)));
      }
      if (text.empty()) text = "0";
    }
    if (huge(text)) continue;
    const std::string mine = ours(text), other = theirs(text);
    if (refused(mine) != refused(other) || (!refused(mine) && mine != other)) {
      CAPTURE(text);
      CHECK(mine == other);
    }
    accepted += !refused(mine);
  }
  CHECK(accepted > 5000);
  CHECK(accepted < 25000);
}

}  // namespace json_reader_test
