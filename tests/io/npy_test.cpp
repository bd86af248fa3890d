// .npy headers: what NumPy writes, and every way to be something else.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/io/mapped_file.hpp>
#include <advprop/io/npy.hpp>

#include "../data/files.hpp"

namespace npy_test {

using namespace advprop;

namespace {

using bytes = std::vector<std::uint8_t>;

bytes file(const std::string& dictionary, const bytes& values, char version = 1) {
  std::string text = dictionary;
  text.append(63 - (10 + text.size()) % 64, ' ') += '\n';
  std::string all = std::string("\x93NUMPY") + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) all += static_cast<char>(text.size() >> 8 * i & 255);
  all += text;
  bytes result(all.begin(), all.end());
  result.insert(result.end(), values.begin(), values.end());
  return result;
}
bytes array(const std::string& type, const std::string& shape, const bytes& values) {
  return file("{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }", values);
}
std::string refusal(const bytes& content) {
  return files::thrown<file_error>([&] { parse_npy(content, "x.npy"); });
}

}  // namespace

TEST_CASE("integers of every width come out as they went in") {
  const bytes content = array("|u1", "(2, 3)", {0, 1, 2, 3, 254, 255});
  const npy_array a = parse_npy(content, "x.npy");
  CHECK(a.is_bytes());
  CHECK(a.shape == std::vector<std::int64_t>{2, 3});
  CHECK(a.shape_text() == "(2, 3)");
  CHECK(a.at(5) == 255);
  const auto number = [](const std::string& type, const bytes& values) {
    const bytes one = array(type, "(1,)", values);
    return parse_npy(one, "x.npy").at(0);
  };
  CHECK(number("|i1", {255}) == -1);
  CHECK(number("<u2", {1, 255}) == 0xff01);
  CHECK(number("<i2", {1, 255}) == -255);
  CHECK(number("<i4", {254, 255, 255, 255}) == -2);
  CHECK(number("<u4", {254, 255, 255, 255}) == 0xfffffffe);
  CHECK(number("<i8", {7, 0, 0, 0, 0, 0, 0, 128}) == INT64_MIN + 7);
  for (char version : {2, 3})
    CHECK(parse_npy(file("{'shape': (), 'fortran_order': False, 'descr': '|u1'}", {9}, version), "x").shape.empty());
  const std::string header = npy_header({2, 1});
  bytes own(header.begin(), header.end());
  own.insert(own.end(), {5, 6});
  CHECK(parse_npy(own, "x").shape == std::vector<std::int64_t>{2, 1});
}

TEST_CASE("whatever is no such array is refused, and why") {
  CHECK(refusal({}) == "x.npy: is not a .npy file");
  CHECK(refusal({'P', 'K', 3, 4}) == "x.npy: is not a .npy file");
  const bytes good = array("|u1", "(2, 3)", {0, 1, 2, 3, 4, 5});
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK(refusal(bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))) != "");
  CHECK(refusal(bytes(good.begin(), good.begin() + 40)) == "x.npy: truncated inside its .npy header");
  CHECK(refusal(array("|u1", "(2, 3)", {0, 1})) ==
        "x.npy: truncated: 2 bytes of data where its shape (2, 3) asks for 6");
  CHECK(refusal(array("|u1", "(2,)", {0, 1, 2})) == "x.npy: 1 bytes too many behind the 2 that its shape asks for");
  CHECK(refusal(array(">i4", "(1,)", {0, 0, 0, 0})) ==
        "x.npy: type >i4 is big-endian; only little-endian numbers are read");
  CHECK(refusal(array("<f4", "(1,)", {0, 0, 0, 0})) == "x.npy: type <f4 is not read, only integers");
  for (const char* type : {"", "|u2", "<u1", "<u3", "<U1", "|b1", "<c16", "=i4"})
    CHECK(files::contains(refusal(array(type, "(0,)", {})), "is not read"));
  CHECK(refusal(file("{'descr': '|u1', 'fortran_order': True, 'shape': (1,), }", {0})) ==
        "x.npy: is in Fortran order; only C order is read (numpy.ascontiguousarray)");
  CHECK(refusal(file("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }", {0, 0, 0, 0})) ==
        "x.npy: holds records, where an array of integers is expected");
  CHECK(refusal(array("|u1", "(4294967296, 4294967296)", {})) ==
        "x.npy: its shape (4294967296, 4294967296) asks for more than 2^63 bytes");
  for (const char* broken : {"", "{", "{}", "{'descr': '|u1', }", "['descr']", "{'descr': '|u1'",
                             "{'descr': '|u1', 'fortran_order': False, 'shape': (1 }",
                             "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }",
                             "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,), }",
                             "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (1,), }"})
    CHECK(refusal(file(broken, {0})) == "x.npy: its .npy header is malformed");
  CHECK(refusal(file("{}", {}, 9)) == "x.npy: .npy version 9 is not read, only 1 to 3");
}

TEST_CASE("a mapped file is its bytes; what is not a file is named") {
  const files::folder f;
  const mapped_file some(f.write("some", {1, 2, 3}));
  CHECK(bytes(some.bytes().begin(), some.bytes().end()) == bytes{1, 2, 3});
  CHECK(mapped_file(f.write("none", {})).bytes().empty());
  CHECK_THROWS_WITH_AS(mapped_file(f / "gone"), (f / "gone: cannot open: No such file or directory").c_str(),
                       file_error);
  CHECK_THROWS_WITH_AS(mapped_file(f.path()), (f.path() + ": is not a regular file").c_str(), file_error);
}

}  // namespace npy_test
