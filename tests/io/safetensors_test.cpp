#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/io/safetensors.hpp>

namespace safetensors_test {

namespace fs = std::filesystem;
using namespace advprop;

namespace {

struct scratch_folder {
  fs::path path;
  scratch_folder() {
    auto pattern = (fs::temp_directory_path() / "advprop-safetensors-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()));
    path = pattern;
  }
  ~scratch_folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string operator/(const char* name) const { return (path / name).string(); }
};

/// A file of this header and this many bytes of data, each the value of its offset.
std::string file(const std::string& header, std::size_t data = 0) {
  const std::uint64_t length = header.size();
  std::string result(sizeof length, '\0');
  std::memcpy(result.data(), &length, sizeof length);
  result += header;
  for (std::size_t i = 0; i < data; ++i) result += static_cast<char>(i);
  return result;
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

safetensors parse(const std::string& text) { return safetensors::parse(std::as_bytes(std::span(text)), "f"); }

/// Why the text is refused; empty when it is not.
std::string refusal(const std::string& text) {
  try {
    parse(text);
  } catch (const file_error& e) {
    return e.what();
  }
  return "";
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace

TEST_CASE("Every type comes back from a file with the same bits") {
  scratch_folder folder;
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const std::vector<float> f{0.f, -0.f, 0.1f, nan, -nan, inf, -inf, 1e-45f, 3.4e38f, 1.f, 2.f, 3.f};
  const std::vector<double> d{0.1, -0.0, 5e-324};
  const std::vector<std::int64_t> l{INT64_MIN, INT64_MAX, -1};
  const std::vector<std::int32_t> i{INT32_MIN, INT32_MAX};
  const std::vector<std::uint8_t> u{0, 255, 7};

  safetensors_writer writer;
  writer.metadata["format"] = "pt";
  writer.metadata["quotes \" \\ \n \x01 and \xc3\xa9"] = std::string("zero \0 inside", 13);
  writer.add("u", {3}, u);
  writer.add("layer1.0.conv1.weight", {1, 3, 2, 2}, f);
  writer.add("d", {3}, d);
  writer.add("l", {3, 1}, l);
  writer.add("i", {2}, i);
  writer.add("scalar", {}, std::vector<float>{42.f});
  writer.add("empty", {0, 5}, std::vector<float>{});
  writer.add("\xc3\xa9\"", {1}, std::vector<float>{1.f});
  const auto path = folder / "all.safetensors";
  writer.write(path);
  CHECK(read_file(path) == writer.bytes());

  const auto read = safetensors::read(path);
  CHECK(read.name() == path);
  CHECK(read.metadata() == writer.metadata);
  CHECK(read.tensors().size() == 8);
  CHECK(same_bits(read.values<float>("layer1.0.conv1.weight"), f));
  CHECK(same_bits(read.floats("layer1.0.conv1.weight"), f));
  CHECK(read.at("layer1.0.conv1.weight").shape == std::vector<std::int64_t>{1, 3, 2, 2});
  CHECK(same_bits(read.values<double>("d"), d));
  CHECK(same_bits(read.values<std::int64_t>("l"), l));
  CHECK(same_bits(read.values<std::int32_t>("i"), i));
  CHECK(same_bits(read.values<std::uint8_t>("u"), u));
  CHECK(read.floats("scalar") == std::vector<float>{42.f});
  CHECK(read.at("scalar").shape.empty());
  CHECK(read.floats("empty").empty());
  CHECK(read.at("empty").shape == std::vector<std::int64_t>{0, 5});
  CHECK(read.contains("\xc3\xa9\""));
  CHECK_FALSE(read.contains("__metadata__"));
  // A copy outlives the original.
  auto outer = std::make_unique<safetensors>(read);
  const auto copy = *outer;
  outer.reset();
  CHECK(same_bits(copy.floats("layer1.0.conv1.weight"), f));
}

TEST_CASE("The written bytes are those of the format") {
  safetensors_writer writer;
  writer.metadata["k"] = "v";
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  const std::vector<float> floats{1.f, -2.f};
  writer.add("b", {3}, bytes);
  writer.add("z", {2, 1}, floats);
  writer.add("a", {1}, std::vector<float>{0.f});
  // Floats before bytes, else in the order of add; padded to 8.
  std::string header =
      R"({"__metadata__":{"k":"v"},"z":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"b":{"dtype":"U8","shape":[3],"data_offsets":[12,15]}})";
  while (header.size() % 8 != 0) header += ' ';
  const auto expected = file(header) + std::string("\0\0\x80\x3f\0\0\0\xc0\0\0\0\0\1\2\3", 15);
  const auto written = writer.bytes();
  CHECK(std::string(reinterpret_cast<const char*>(written.data()), written.size()) == expected);
  CHECK(safetensors_writer().bytes() == std::vector<std::byte>([] {
          const auto empty = file("{}      ");
          const auto view = std::as_bytes(std::span(empty));
          return std::vector<std::byte>(view.begin(), view.end());
        }()));
}

TEST_CASE("Values are taken when written, not when added") {
  std::vector<float> weights{1.f};
  safetensors_writer writer;
  writer.add("w", {1}, weights);
  weights[0] = 2.f;
  CHECK(safetensors::parse(writer.bytes(), "f").tensors()[0].bytes.size() == 4);
  const auto bytes = writer.bytes();
  CHECK(safetensors::parse(bytes, "f").floats("w")[0] == 2.f);
}

TEST_CASE("Smaller and larger floats are converted on demand, exactly where that is possible") {
  // Every half against its definition.
  int wrong = 0;
  for (unsigned h = 0; h < 65536; ++h) {
    const int exponent = static_cast<int>(h >> 10 & 31), fraction = static_cast<int>(h & 1023);
    float expected = exponent == 31  ? (fraction ? NAN : INFINITY)
                     : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                     : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
    if (h >> 15) expected = -expected;
    const float got = detail::half_to_float(static_cast<std::uint16_t>(h));
    wrong += std::isnan(expected) ? !std::isnan(got)
                                  : std::bit_cast<std::uint32_t>(got) != std::bit_cast<std::uint32_t>(expected);
  }
  CHECK(wrong == 0);

  auto text = file(one("F16", "[2]", "[0,4]")) + std::string("\x00\x3c\x01\xc0", 4);
  CHECK(parse(text).floats("a") == std::vector<float>{1.f, -2.001953125f});
  text = file(one("BF16", "[2]", "[0,4]")) + std::string("\x80\x3f\x49\xc0", 4);
  CHECK(parse(text).floats("a") == std::vector<float>{1.f, -3.140625f});
  text = file(one("F64", "[1]", "[0,8]")) + std::string("\x9a\x99\x99\x99\x99\x99\xb9\x3f", 8);
  CHECK(parse(text).floats("a") == std::vector<float>{0.1f});

  text = file(one("BOOL", "[3]", "[0,3]"), 3);
  CHECK(parse(text).integers("a") == std::vector<std::int64_t>{0, 1, 1});
  text = file(one("U8", "[3]", "[0,3]"), 3);
  CHECK(parse(text).integers("a") == std::vector<std::int64_t>{0, 1, 2});
  text = file(one("I32", "[1]", "[0,4]")) + "\xfe\xff\xff\xff";
  CHECK(parse(text).integers("a") == std::vector<std::int64_t>{-2});
  text = file(one("I64", "[1]", "[0,8]")) + "\xfe\xff\xff\xff\xff\xff\xff\xff";
  CHECK(parse(text).integers("a") == std::vector<std::int64_t>{-2});
}

TEST_CASE("Asking for the wrong tensor, type or size names file and tensor") {
  const auto text = file(one("F32", "[2]", "[0,8]"), 8);
  const auto f = parse(text);
  std::vector<float> three(3);
  CHECK_THROWS_WITH_AS(f.at("b"), "f: has no tensor 'b'", file_error);
  CHECK_THROWS_WITH_AS(f.floats("b"), "f: has no tensor 'b'", file_error);
  CHECK_THROWS_WITH_AS(f.values<std::int64_t>("a"), "f: tensor 'a' is F32, not I64", file_error);
  CHECK_THROWS_WITH_AS(f.integers("a"), "f: tensor 'a' is F32, not I64, I32, U8 or BOOL", file_error);
  CHECK_THROWS_WITH_AS(f.copy_floats("a", three), "f: tensor 'a' has 2 elements, 3 are wanted", file_error);
  CHECK_THROWS_WITH_AS(f.copy<float>("a", three), "f: tensor 'a' has 2 elements, 3 are wanted", file_error);
  const auto other = file(one("I16", "[2]", "[0,4]"), 4);
  CHECK_THROWS_WITH_AS(parse(other).floats("a"), "f: tensor 'a' is I16, not F32, F64, F16 or BF16", file_error);
}

TEST_CASE("Valid headers of other writers are taken") {
  CHECK(refusal(file("{}")) == "");
  CHECK(refusal(file("{ \n\t}   ")) == "");
  CHECK(refusal(file(one("F32", "[]", "[0,4]"), 4)) == "");
  CHECK(refusal(file(one("F32", "[0]", "[0,0]"))) == "");
  CHECK(refusal(file(one("F4", "[4]", "[0,2]"), 2)) == "");
  CHECK(refusal(file(one("C64", "[4]", "[0,32]"), 32)) == "");
  // Out of order, a zero-sized tensor between, a misaligned float, an escaped name.
  const auto text = file(R"({"b":{"data_offsets":[1,5],"shape":[1],"dtype":"F32"},"\u0061":{"dtype":"U8","shape":[1],)"
                         R"("data_offsets":[0,1]},"z":{"dtype":"F32","shape":[0],"data_offsets":[1,1]}})",
                         5);
  const auto f = parse(text);
  CHECK(f.names() == std::vector<std::string>{"a", "z", "b"});
  CHECK(std::bit_cast<std::uint32_t>(f.floats("b")[0]) == 0x04030201u);
}

TEST_CASE("Malformed files are refused with the reason") {
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  const struct {
    std::string bytes, reason;
  } cases[] = {
      {"", "f: 0 bytes are too few for a safetensors file"},
      {std::string(7, '\0'), "f: 7 bytes are too few for a safetensors file"},
      {std::string("PK\3\4\0\0\x08\x08", 8),
       "f: is a zip archive, as PyTorch's .pth are, not a safetensors file; examples/advprop/convert.py makes one of "
       "it"},
      {std::string(8, '\xff'), "f: is not a safetensors file: its header would have 18446744073709551615 bytes"},
      {std::string("\x01\xe1\xf5\x05\0\0\0\0", 8),
       "f: is not a safetensors file: its header would have 100000001 bytes"},
      {std::string("\x03\0\0\0\0\0\0\0{}", 10), "f: truncated: the header has 3 bytes, the file only 2"},
      {file(""), "f: the header does not start with '{'"},
      {file(" {}"), "f: the header does not start with '{'"},
      {file("\xef\xbb\xbf{}"), "f: the header does not start with '{'"},
      {file("[]"), "f: the header does not start with '{'"},
      {file("{"), "f: the header is not valid JSON in UTF-8 at its byte 2"},
      {file("{}x"), "f: the header is not valid JSON in UTF-8 at its byte 3"},
      {file("{}{}"), "f: the header is not valid JSON in UTF-8 at its byte 3"},
      {file("{\"a\xff\":1}"), "f: the header is not valid JSON in UTF-8 at its byte 4"},
      {file("{\"\\ud800\":1}"), "f: the header is not valid JSON in UTF-8 at its byte 9"},
      {file(std::string("{}\0 ", 4)), "f: the header has a zero byte at 2"},
      {file("{\"a\":1}"), "f: entry 'a' is a number, not an object"},
      {file("{\"a\":null}"), "f: entry 'a' is null, not an object"},
      {file("{\"a\":" + std::string(1'000'000, '[')), "f: entry 'a' is an array, not an object"},
      {file("{\"a\":{\"shape\":" + std::string(1'000'000, '[')), "f: tensor 'a' has an array in shape"},
      {file("{\"a\":{\"dtype\":{\"dtype\":{"), "f: tensor 'a' has an object in dtype"},
      {file("{\"__metadata__\":{\"k\":" + std::string(1000, '{')),
       "f: __metadata__ key 'k' is an object, not a string"},
      {file("{\"__metadata__\":{\"k\":1}}"), "f: __metadata__ key 'k' is a number, not a string"},
      {file("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}"), "f: duplicate __metadata__ key 'k'"},
      {file("{\"__metadata__\":{},\"__metadata__\":{}}"), "f: duplicate name '__metadata__'"},
      {file("{\"a\":" + entry + ",\"a\":" + entry + "}", 1), "f: duplicate name 'a'"},
      {file("{\"a\":{}}"), "f: tensor 'a' has no dtype, shape or data_offsets"},
      {file("{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}"), "f: tensor 'a' has no dtype, shape or data_offsets"},
      {file("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}"), "f: tensor 'a' has a duplicate key 'dtype'"},
      {file("{\"a\":{\"strides\":[1]}}"), "f: tensor 'a' has an unknown key 'strides'"},
      {file("{\"a\":{\"dtype\":8}}"), "f: tensor 'a' has a number in dtype"},
      {file(one("F32", "[1]", "[0]"), 4), "f: tensor 'a' has not two data_offsets"},
      {file(one("F32", "[1]", "[0,4,4]"), 4), "f: tensor 'a' has not two data_offsets"},
      {file(one("F32", "[1]", "[-4,0]"), 4), "f: tensor 'a' has a negative number in data_offsets"},
      {file(one("F32", "[1]", "[-0,4]"), 4), "f: tensor 'a' has a negative number in data_offsets"},
      {file(one("F32", "[-1]", "[0,4]"), 4), "f: tensor 'a' has a negative number in shape"},
      {file(one("F32", "[1.0]", "[0,4]"), 4), "f: tensor 'a' has a fraction or too large a number in shape"},
      {file(one("F32", "[1]", "[0,4e0]"), 4), "f: tensor 'a' has a fraction or too large a number in data_offsets"},
      {file(one("F32", "[1]", "[0,18446744073709551616]"), 4),
       "f: tensor 'a' has a fraction or too large a number in data_offsets"},
      {file(one("F32", "[\"1\"]", "[0,4]"), 4), "f: tensor 'a' has a string in shape"},
      {file(one("F32", "[true]", "[0,4]"), 4), "f: tensor 'a' has a boolean in shape"},
      {file(one("F32", "[9223372036854775808]", "[0,4]"), 4), "f: tensor 'a' has too large a dimension"},
      {file(one("F32", "[1]", "[4,0]"), 4), "f: tensor 'a' ends before it starts (4, 0)"},
      {file(one("F32", "[1]", "[0,4]"), 3), "f: tensor 'a' ends at 4, beyond the 3 bytes of data: truncated file"},
      {file(one("F32", "[1]", "[0,18446744073709551615]"), 4),
       "f: tensor 'a' ends at 18446744073709551615, beyond the 4 bytes of data: truncated file"},
      {file(one("F32", "[1]", "[4,8]"), 8), "f: tensor 'a' leaves a hole from 0 to 4"},
      {file(one("F32", "[1]", "[0,4]"), 5), "f: 1 bytes after the last tensor"},
      {file("{}", 1), "f: 1 bytes after the last tensor"},
      {file(one("F32", "[2]", "[0,4]"), 4), "f: tensor 'a' has 4 bytes, which do not fit its shape and F32"},
      {file(one("F32", "[0]", "[0,4]"), 4), "f: tensor 'a' has 4 bytes, which do not fit its shape and F32"},
      {file(one("F4", "[3]", "[0,1]"), 1), "f: tensor 'a' has 1 bytes, which do not fit its shape and F4"},
      {file(one("F33", "[1]", "[0,4]"), 4), "f: tensor 'a' has unknown dtype 'F33'"},
      // 2^32 * 2^32 and 2^62 * 32 bits are 0 modulo 2^64.
      {file(one("F32", "[4294967296,4294967296]", "[0,0]")), "f: tensor 'a' has a shape that overflows"},
      {file(one("F32", "[4611686018427387904]", "[0,0]")), "f: tensor 'a' has a shape that overflows"},
      {file(one("F32", "[0,9223372036854775807,9223372036854775807]", "[0,0]")),
       "f: tensor 'a' has a shape that overflows"},
      {file("{\"a\":" + entry + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2),
       "f: tensor 'b' overlaps another one at 0"},
      {file("{\"a\":" + entry + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", 4),
       "f: tensor 'b' leaves a hole from 1 to 2"},
      {file("{\"a\\u0000\\n" + std::string(200, 'x') + "\":1}"),
       "f: entry 'a??" + std::string(117, 'x') + "...' is a number, not an object"},
  };
  for (const auto& c : cases) CHECK(refusal(c.bytes) == c.reason);
}

TEST_CASE("No part of a file passes for the whole") {
  safetensors_writer writer;
  writer.metadata["k"] = "v";
  writer.add("w", {2, 2}, std::vector<float>{1, 2, 3, 4});
  writer.add("n", {1}, std::vector<std::int64_t>{5});
  const auto bytes = writer.bytes();
  std::string whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  CHECK(refusal(whole) == "");
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(refusal(whole.substr(0, n)) != "");
  CHECK(refusal(whole + '\0') != "");
}

TEST_CASE("The writer refuses what the format cannot hold") {
  safetensors_writer writer;
  const std::vector<float> two{1, 2};
  writer.add("a", {2}, two);
  CHECK_THROWS_WITH_AS(writer.add("a", {2}, two), "safetensors: name 'a' is taken", argument_error);
  CHECK_THROWS_WITH_AS(writer.add("__metadata__", {2}, two), "safetensors: name '__metadata__' is taken",
                       argument_error);
  CHECK_THROWS_WITH_AS(writer.add("b", {3}, two), "safetensors: 2 values do not fit the shape of 'b'", argument_error);
  CHECK_THROWS_WITH_AS(writer.add("b", {-1, -2}, two), "safetensors: 2 values do not fit the shape of 'b'",
                       argument_error);
  CHECK_THROWS_AS(writer.add("\xff", {2}, two), argument_error);
  writer.add("b", {2}, two);
  const auto bytes = writer.bytes();
  CHECK(safetensors::parse(bytes, "f").names() == std::vector<std::string>{"a", "b"});
  writer.metadata["k"] = "\xc3";
  CHECK_THROWS_AS(writer.bytes(), argument_error);
}

TEST_CASE("A file that cannot be written is an error and keeps the old one") {
  scratch_folder folder;
  safetensors_writer writer;
  writer.add("a", {1}, std::vector<float>{1});
  CHECK_THROWS_AS(writer.write(folder / "missing/a.safetensors"), file_error);
  const auto path = folder / "a.safetensors";
  writer.write(path);
  writer.metadata["k"] = "\xff";
  CHECK_THROWS_AS(writer.write(path), argument_error);
  CHECK(safetensors::read(path).floats("a")[0] == 1);
}

TEST_CASE("A writer killed at any moment leaves a whole file") {
  scratch_folder folder;
  const auto path = folder / "a.safetensors";
  const auto write = [&](std::int64_t round) {
    safetensors_writer writer;
    std::vector<std::int64_t> values(static_cast<std::size_t>(20'000 + round % 7 * 1000), round);
    const auto size = static_cast<std::int64_t>(values.size());
    writer.add("round", {size}, std::move(values));
    writer.write(path);
  };
  write(0);
  advprop::random_stream rng(20);
  std::int64_t last = 0;
  int advanced = 0;
  for (int kill = 0; kill < 20; ++kill) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        for (std::int64_t round = last + 1;; ++round) write(round);
      } catch (...) {
        ::_exit(1);
      }
    }
    REQUIRE(child > 0);
    std::this_thread::sleep_for(std::chrono::microseconds(5'000 + rng.below(40'000)));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));

    const auto values = safetensors::read(path).values<std::int64_t>("round");
    const auto round = values[0];
    CHECK(values == std::vector<std::int64_t>(static_cast<std::size_t>(20'000 + round % 7 * 1000), round));
    CHECK(round >= last);
    advanced += round > last;
    last = round;
  }
  CHECK(advanced > 0);
}

TEST_CASE("A file written by PyTorch is read, and comes back from the writer the same") {
#ifdef ADVPROP_TEST_DATA
  const std::string path = ADVPROP_TEST_DATA "/resnet20-cifar10-12fca82f.safetensors";
  const auto f = safetensors::read(path);
  CHECK(f.tensors().size() == 97);
  CHECK(f.metadata().at("arch") == "resnet20");
  std::int64_t parameters = 0;
  safetensors_writer writer;
  writer.metadata = f.metadata();
  for (const auto& t : f.tensors()) {
    CHECK(t.name.starts_with("module."));
    if (t.name.find("running_") == std::string::npos) parameters += t.size();
    writer.add(t.name, t.shape, f.floats(t.name));
  }
  CHECK(parameters == 269'722);
  CHECK(f.at("module.conv1.weight").shape == std::vector<std::int64_t>{16, 3, 3, 3});
  const auto bytes = writer.bytes();
  const auto again = safetensors::parse(bytes, "again");
  CHECK(again.names() == f.names());
  for (const auto& t : f.tensors()) CHECK(same_bits(again.floats(t.name), f.floats(t.name)));
#else
  MESSAGE("skipped: no ADVPROP_TEST_DATA");
#endif
}

}  // namespace safetensors_test
