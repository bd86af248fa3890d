// The definitions of compressed.hpp (core/linkage.hpp).
#pragma once

#include <lzma.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>

#include <advprop/data/compressed.hpp>

namespace advprop::detail {

/// Lets `step(out, room)`, which tells how many bytes it wrote, fill a growing buffer until `done()`. Memory follows
/// what really arrives, so a small file that claims a huge content costs little.
template <class Step, class Done>
byte_vector grow(const std::string& name, std::size_t limit, Step&& step, Done&& done) {
  byte_vector result;
  std::size_t size = 0;
  limit = std::min(limit, SIZE_MAX / 2);
  while (!done()) {
    if (size == result.size()) {
      if (size > limit) fail<file_error>(name, ": holds more than the ", limit, " bytes that are allowed");
      result.resize(std::min(limit + 1, std::max(std::size_t{1} << 16, 2 * size)));
    }
    size += step(result.data() + size, result.size() - size);
  }
  if (size > limit) fail<file_error>(name, ": holds more than the ", limit, " bytes that are allowed");
  result.resize(size);
  return result;
}

ADVPROP_API bool ends_with(const std::string& s, const char* end) {
  const std::size_t n = std::strlen(end);
  return s.size() >= n && s.compare(s.size() - n, n, end) == 0;
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API byte_vector gunzip(byte_span bytes, const std::string& name, std::size_t limit) {
  constexpr std::size_t most = std::size_t{1} << 30;  // zlib counts in 32 bits
  if (bytes.size() < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) fail<file_error>(name, ": is not a gzip file");
  z_stream z{};
  if (inflateInit2(&z, 15 + 16) != Z_OK) fail(name, ": zlib has no memory");
  const auto close = [](z_stream* s) { inflateEnd(s); };
  const std::unique_ptr<z_stream, decltype(close)> guard(&z, close);
  std::size_t used = 0;
  bool end = false;
  return detail::grow(
      name, limit,
      [&](std::uint8_t* out, std::size_t room) {
        z.next_in = const_cast<Bytef*>(bytes.data() + used);  // zlib does not write here
        z.avail_in = static_cast<uInt>(std::min(most, bytes.size() - used));
        z.next_out = out;
        z.avail_out = static_cast<uInt>(std::min(most, room));
        const uInt in = z.avail_in, space = z.avail_out;
        const int code = inflate(&z, Z_NO_FLUSH);
        used += in - z.avail_in;
        if (code == Z_STREAM_END) {
          end = used == bytes.size();
          if (!end && bytes[used] != 0x1f)
            fail<file_error>(name, ": ", bytes.size() - used, " bytes follow its gzip data");
          if (!end) inflateReset(&z);  // the next member
        } else if (code == Z_BUF_ERROR || (code == Z_OK && used == bytes.size() && z.avail_out > 0)) {
          fail<file_error>(name, ": its gzip data are truncated");
        } else if (code == Z_MEM_ERROR) {
          fail(name, ": zlib has no memory");
        } else if (code != Z_OK) {
          fail<file_error>(name, ": its gzip data are corrupt (", z.msg ? z.msg : "zlib tells no more", ")");
        }
        return std::size_t{space - z.avail_out};
      },
      [&] { return end; });
}

ADVPROP_API byte_vector unxz(byte_span bytes, const std::string& name, std::size_t limit) {
  // `xz -9` needs 65 MiB; a corrupt header may ask for 4 GiB
  constexpr std::uint64_t memory = std::uint64_t{256} << 20;
  static constexpr std::uint8_t magic[] = {0xfd, '7', 'z', 'X', 'Z', 0};
  if (bytes.size() < sizeof magic || !std::equal(magic, magic + sizeof magic, bytes.begin()))
    fail<file_error>(name, ": is not an xz file");
  lzma_stream z = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&z, memory, LZMA_CONCATENATED) != LZMA_OK) fail(name, ": liblzma has no memory");
  const auto close = [](lzma_stream* s) { lzma_end(s); };
  const std::unique_ptr<lzma_stream, decltype(close)> guard(&z, close);
  z.next_in = bytes.data();
  z.avail_in = bytes.size();
  bool end = false;
  return detail::grow(
      name, limit,
      [&](std::uint8_t* out, std::size_t room) {
        z.next_out = out;
        z.avail_out = room;
        const lzma_ret code = lzma_code(&z, LZMA_FINISH);
        switch (code) {
          case LZMA_OK:
            break;
          case LZMA_STREAM_END:
            end = true;
            break;
          case LZMA_BUF_ERROR:
            fail<file_error>(name, ": its xz data are truncated");
          case LZMA_MEM_ERROR:
            fail(name, ": liblzma has no memory");
          case LZMA_MEMLIMIT_ERROR:
            fail<file_error>(name, ": its xz data ask for more than 256 MiB of dictionary");
          default:
            fail<file_error>(name, ": its xz data are corrupt (liblzma code ", static_cast<int>(code), ")");
        }
        return room - z.avail_out;
      },
      [&] { return end; });
}

ADVPROP_API byte_vector read_decompressed(const std::string& path, std::size_t limit) {
  byte_vector bytes = read_file<std::uint8_t>(path, limit);
  if (path.ends_with(".gz")) return gunzip(bytes, path, limit);
  if (path.ends_with(".xz")) return unxz(bytes, path, limit);
  return bytes;
}

ADVPROP_API std::string find_file(const std::string& folder, std::initializer_list<const char*> names) {
  struct stat status;
  std::string wanted;
  for (const char* name : names) {
    for (const char* end : {"", ".gz", ".xz"})
      if (const std::string path = folder + "/" + name + end; stat(path.c_str(), &status) == 0) return path;
    wanted += (wanted.empty() ? "" : " or ") + std::string(name);
  }
  if (stat(folder.c_str(), &status) != 0) fail<file_error>(folder, ": no such folder; looked for ", wanted, " in it");
  if (!S_ISDIR(status.st_mode)) fail<file_error>(folder, ": is not a folder; looked for ", wanted, " in it");
  fail<file_error>(folder, ": has no ", wanted, ", plain, .gz or .xz");
}

}  // namespace advprop
