// Whole files: read with a size limit, and replaced such that a reader or a crash meets the old file or the new one.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>

namespace advprop {

namespace detail {

/// An open file, or a folder opened for its `sync`. `name` is what errors call it.
class descriptor {
 public:
  descriptor(std::string name, const std::string& path, int flags, std::string_view failure);
  descriptor(descriptor&& other) noexcept : name_(std::move(other.name_)), value_(std::exchange(other.value_, -1)) {}
  descriptor& operator=(descriptor&&) = delete;
  ~descriptor() {
    if (value_ >= 0) ::close(value_);
  }

  int value() const { return value_; }

  [[noreturn]] void fail_errno(std::string_view what) const {
    const int code = errno;
    fail<file_error>(name_, ": ", what, ": ", std::strerror(code));
  }

  struct stat status() const {
    struct stat s;
    if (::fstat(value_, &s) != 0) fail_errno("cannot examine");
    return s;
  }

  /// Bytes read; 0 at the end.
  std::size_t read(std::span<std::byte> out) const;

  void write(std::span<const std::byte> bytes) const;

  void sync() const {
    while (::fsync(value_) != 0) {
      if (errno == EINVAL) return;  // a file system that cannot sync folders
      if (errno != EINTR) fail_errno("cannot bring to disk");
    }
  }

 private:
  std::string name_;
  int value_ = -1;
};

}  // namespace detail

/// The whole file. Throws `file_error` when it cannot be read or holds more than `limit` bytes.
template <class Byte = std::byte>
std::vector<Byte> read_file(const std::string& path, std::uint64_t limit = PTRDIFF_MAX) {
  const detail::descriptor file(path, path, O_RDONLY, "cannot open");
  const auto status = file.status();
  std::uint64_t expected = 0;
  if (S_ISREG(status.st_mode)) expected = static_cast<std::uint64_t>(status.st_size);
  const auto check = [&](std::uint64_t size) {
    if (size > limit) fail<file_error>(path, ": larger than the limit of ", limit, " bytes");
  };
  check(expected);
  // A byte more than expected, so that the end shows without growing; a pipe or a file that grows works too.
  std::vector<Byte> bytes;
  const auto resize = [&](std::size_t size) {
    try {
      bytes.resize(size);
    } catch (const std::exception&) {  // bad_alloc or length_error
      fail<file_error>(path, ": does not fit into memory");
    }
  };
  resize(static_cast<std::size_t>(expected) + 1);
  std::size_t size = 0;
  while (const auto count = file.read(std::as_writable_bytes(std::span(bytes).subspan(size)))) {
    size += count;
    check(size);
    if (size == bytes.size()) resize(std::max<std::size_t>(65536, 2 * size));
  }
  bytes.resize(size);
  return bytes;
}

/// A file that gets its name only by `commit()`; before, and for ever when something fails, whatever had the name stays
/// untouched. It is written in the same folder (of a symbolic link: of its target) under a locked temporary name, which
/// two writers of one path use in turn, and which is taken over when a killed writer left it. Throws `file_error`.
class atomic_file {
 public:
  explicit atomic_file(const std::string& path) : atomic_file(path, target(path)) {}
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  void write(std::span<const std::byte> bytes) { file_.write(bytes); }
  void write(std::string_view text) { file_.write(std::as_bytes(std::span(text.data(), text.size()))); }

  /// On disk, and renamed on disk, when it returns.
  void commit();

 private:
  atomic_file(const std::string& name, std::string path);

  static std::string target(const std::string& path);

  static std::string folder(const std::string& path);

  static detail::descriptor open_locked(const std::string& name, const std::string& temporary);

  std::string path_, temporary_;
  detail::descriptor folder_, file_;
  bool committed_ = false;
};

/// Replaces the file by what `write(atomic_file&)` writes; when that throws, the old file stays.
template <class Write>
  requires std::is_invocable_v<Write, atomic_file&>
void write_file_atomically(const std::string& path, Write&& write) {
  atomic_file file(path);
  write(file);
  file.commit();
}

/// Replaces the file by the chunks, one after the other.
ADVPROP_API void write_file_atomically(const std::string& path, std::span<const std::span<const std::byte>> chunks);

/// Replaces the file by the text.
ADVPROP_API void write_file_atomically(const std::string& path, std::string_view text);

/// There is something at `path`, whatever it is.
inline bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/file.inl>
#endif
