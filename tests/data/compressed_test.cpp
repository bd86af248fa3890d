// Whole files, plain, gzip and xz: content, limits, damage.
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/compressed.hpp>

#include "files.hpp"

namespace compressed_test {

using namespace advprop;
using files::contains;
using files::thrown;

namespace {
// 200,000 bytes that compress a little, so that streams have several blocks and the buffer grows.
byte_vector sample() {
  byte_vector bytes(200000);
  std::uint32_t x = 1;
  for (auto& b : bytes) {
    x = x * 1664525 + 1013904223;
    b = static_cast<std::uint8_t>((x >> 24) & 0x3f);
  }
  return bytes;
}
}  // namespace

TEST_CASE("plain, gzip and xz files give the same bytes") {
  const files::folder f;
  for (const byte_vector& content :
       {sample(), byte_vector{}, byte_vector{7}, byte_vector(1 << 16), byte_vector(1 << 17)}) {
    CHECK(read_decompressed(f.write("a.bin", content)) == content);
    CHECK(read_decompressed(f.write("a.bin.gz", files::gzip(content))) == content);
    CHECK(read_decompressed(f.write("a.bin.xz", files::xz(content))) == content);
  }
}

TEST_CASE("files of several gzip members or xz streams are read to their end") {
  byte_vector twice = sample();
  twice.insert(twice.end(), {1, 2, 3});
  byte_vector z = files::gzip(sample()), tail = files::gzip({1, 2, 3});
  z.insert(z.end(), tail.begin(), tail.end());
  CHECK(gunzip(z, "z") == twice);
  z = files::xz(sample()), tail = files::xz({1, 2, 3});
  z.insert(z.end(), tail.begin(), tail.end());
  CHECK(unxz(z, "z") == twice);
}

TEST_CASE("a file of exactly the limit is read and a larger one is refused") {
  const files::folder f;
  const byte_vector content = sample();
  for (const auto& path :
       {f.write("a", content), f.write("a.gz", files::gzip(content)), f.write("a.xz", files::xz(content))}) {
    CHECK(read_decompressed(path, content.size()) == content);
    const std::string what = thrown<file_error>([&] { read_decompressed(path, content.size() - 1); });
    CHECK(what.substr(0, path.size() + 2) == path + ": ");
    CHECK(contains(what, "199999 bytes"));
  }
  // 100 MB of zeros in 100 kB: refused after the limit, not after the 100 MB
  CHECK_THROWS_AS(gunzip(files::gzip(byte_vector(100'000'000)), "bomb", 1'000'000), file_error);
}

TEST_CASE("every truncation of a compressed file is an error that names it") {
  const byte_vector content(300, 5), gz = files::gzip(content), xz = files::xz(content);
  for (std::size_t n = 0; n < gz.size(); ++n)
    CHECK(thrown<file_error>([&] { gunzip(byte_span(gz).first(n), "cut.gz"); }).substr(0, 8) == "cut.gz: ");
  for (std::size_t n = 0; n < xz.size(); ++n)
    CHECK(thrown<file_error>([&] { unxz(byte_span(xz).first(n), "cut.xz"); }).substr(0, 8) == "cut.xz: ");
  const byte_vector large = files::gzip(sample());
  CHECK(contains(thrown<file_error>([&] { gunzip(byte_span(large).first(large.size() / 2), "a"); }), "truncated"));
  const byte_vector large_xz = files::xz(sample());
  CHECK(contains(thrown<file_error>([&] { unxz(byte_span(large_xz).first(large_xz.size() / 2), "a"); }), "truncated"));
}

TEST_CASE("a flipped bit in compressed data never gives other bytes") {
  const byte_vector content = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, gz = files::gzip(content),
                    xz = files::xz(content);
  int refused = 0;
  const auto attempt = [&](auto read, byte_vector bytes, std::size_t bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1 << bit % 8);
    byte_vector result = content;  // gzip's name, time and flags are covered by no sum
    try {
      result = read(bytes, "bad", 1000);
    } catch (const file_error&) {
      ++refused;
    }
    CHECK(result == content);
  };
  for (std::size_t bit = 0; bit < 8 * gz.size(); ++bit) attempt(gunzip, gz, bit);
  const int gz_refused = refused;
  CHECK(gz_refused > static_cast<int>(8 * (gz.size() - 10)) - 8);  // all but header bits
  for (std::size_t bit = 0; bit < 8 * xz.size(); ++bit) attempt(unxz, xz, bit);
  CHECK(refused - gz_refused == static_cast<int>(8 * xz.size()));
}

TEST_CASE("bytes behind a stream and streams of another kind are refused") {
  byte_vector gz = files::gzip({1, 2, 3}), xz = files::xz({1, 2, 3});
  CHECK(thrown<file_error>([&] { unxz(gz, "a"); }) == "a: is not an xz file");
  CHECK(thrown<file_error>([&] { gunzip(xz, "a"); }) == "a: is not a gzip file");
  gz.push_back(0);
  CHECK(thrown<file_error>([&] { gunzip(gz, "a"); }) == "a: 1 bytes follow its gzip data");
  gz.back() = 0x1f;  // as if a member began
  CHECK_THROWS_AS(gunzip(gz, "a"), file_error);
  xz.push_back(1);
  CHECK_THROWS_AS(unxz(xz, "a"), file_error);
}

TEST_CASE("missing files and folders are named with what was looked for") {
  const files::folder f;
  CHECK(contains(thrown<file_error>([&] { read_decompressed(f / "none"); }), f / "none" + ": "));
  CHECK(contains(thrown<file_error>([&] { read_decompressed(f.path()); }), f.path() + ": "));
  CHECK(thrown<file_error>([&] {
          find_file(f.path(), {"a", "b"});
        }) == f.path() + ": has no a or b, plain, .gz or .xz");
  CHECK(thrown<file_error>([&] { find_file(f / "none", {"a"}); }) ==
        f / "none" + ": no such folder; looked for a in it");
  CHECK(thrown<file_error>([&] { find_file(f.write("file", {1}), {"a"}); }) ==
        f / "file" + ": is not a folder; looked for a in it");
  f.write("b.xz", {1});
  CHECK(find_file(f.path(), {"a", "b"}) == f / "b.xz");
  f.write("a", {1});
  CHECK(find_file(f.path(), {"a", "b"}) == f / "a");
}

}  // namespace compressed_test
