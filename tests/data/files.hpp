// Small files for tests: a folder that goes away, gzip and xz of bytes in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <lzma.h>
#include <zlib.h>

#include <doctest/doctest.h>

namespace files {

using bytes = std::vector<std::uint8_t>;

/// A fresh folder, removed with its content at the end of the scope.
class folder {
 public:
  folder()
      : path_(std::filesystem::temp_directory_path() / ("advprop-test-" + std::to_string(std::random_device()()))) {
    REQUIRE(std::filesystem::create_directory(path_));
  }
  ~folder() { std::filesystem::remove_all(path_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  /// Writes a file and returns its path.
  std::string write(const std::string& name, const bytes& content) const {
    std::ofstream out(path_ / name, std::ios::binary);
    out.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    REQUIRE(out.good());
    return *this / name;
  }

 private:
  std::filesystem::path path_;
};

inline bytes gzip(const bytes& content) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  bytes result(deflateBound(&z, content.size()) + 64);
  z.next_in = const_cast<Bytef*>(content.data());
  z.avail_in = static_cast<uInt>(content.size());
  z.next_out = result.data();
  z.avail_out = static_cast<uInt>(result.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  result.resize(z.total_out);
  deflateEnd(&z);
  return result;
}

inline bytes xz(const bytes& content) {
  bytes result(lzma_stream_buffer_bound(content.size()));
  std::size_t size = 0;
  REQUIRE(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr, content.data(), content.size(), result.data(), &size,
                                  result.size()) == LZMA_OK);
  result.resize(size);
  return result;
}

/// An IDX array of unsigned bytes.
inline bytes idx(const std::vector<std::uint32_t>& extents, const bytes& values) {
  bytes result = {0, 0, 8, static_cast<std::uint8_t>(extents.size())};
  for (std::uint32_t e : extents)
    for (int shift = 24; shift >= 0; shift -= 8) result.push_back(static_cast<std::uint8_t>(e >> shift));
  result.insert(result.end(), values.begin(), values.end());
  return result;
}

/// What `f` says when it throws an `Error`; fails the test when it does not.
template <class Error, class F>
std::string thrown(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  FAIL("nothing was thrown");
  return {};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace files
