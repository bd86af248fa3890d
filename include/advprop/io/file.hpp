// Whole files: read with a size limit, and replaced such that a reader or a crash meets the old file or the new one.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>

namespace advprop {

namespace detail {

/// An open file, or a folder opened for its `sync`. `name` is what errors call it.
class descriptor {
 public:
  descriptor(std::string name, const std::string& path, int flags, std::string_view failure) : name_(std::move(name)) {
    do value_ = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    while (value_ < 0 && errno == EINTR);
    if (value_ < 0) fail_errno(failure);
  }
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
  std::size_t read(std::span<std::byte> out) const {
    for (;;) {
      const auto n = ::read(value_, out.data(), out.size());
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) fail_errno("cannot read");
    }
  }

  void write(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const auto n = ::write(value_, bytes.data(), bytes.size());
      if (n >= 0)
        bytes = bytes.subspan(static_cast<std::size_t>(n));
      else if (errno != EINTR)
        fail_errno("cannot write");
    }
  }

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
  void commit() {
    struct stat old;
    if (::stat(path_.c_str(), &old) == 0 && ::fchmod(file_.value(), old.st_mode & 07777) != 0)
      file_.fail_errno("cannot keep its permissions");
    file_.sync();
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) file_.fail_errno("cannot replace");
    committed_ = true;
    folder_.sync();
  }

 private:
  atomic_file(const std::string& name, std::string path)
      : path_(std::move(path)),
        temporary_(path_ + ".advprop-tmp"),
        folder_(name, folder(path_), O_RDONLY | O_DIRECTORY, "cannot open its folder"),
        file_(open_locked(name, temporary_)) {}

  static std::string target(const std::string& path) {
    struct stat s;
    if (::lstat(path.c_str(), &s) != 0) return path;  // a new file; other reasons come up when it is created
    if (S_ISLNK(s.st_mode)) {
      char* resolved = ::realpath(path.c_str(), nullptr);
      if (!resolved) fail<file_error>(path, ": cannot follow the link: ", std::strerror(errno));
      std::string result(resolved);
      std::free(resolved);
      return target(result);
    }
    if (!S_ISREG(s.st_mode)) fail<file_error>(path, ": cannot replace: not a regular file");
    return path;
  }

  static std::string folder(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
  }

  static detail::descriptor open_locked(const std::string& name, const std::string& temporary) {
    for (;;) {
      detail::descriptor file(name, temporary, O_WRONLY | O_CREAT | O_NOFOLLOW, "cannot create");
      while (::flock(file.value(), LOCK_EX) != 0)
        if (errno != EINTR) file.fail_errno("cannot lock");
      // The writer we waited for has renamed or removed this very file: then make another.
      struct stat now;
      const auto mine = file.status();
      if (::lstat(temporary.c_str(), &now) != 0 || now.st_ino != mine.st_ino || now.st_dev != mine.st_dev) continue;
      if (::ftruncate(file.value(), 0) != 0) file.fail_errno("cannot empty its temporary file");
      return file;
    }
  }

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
inline void write_file_atomically(const std::string& path, std::span<const std::span<const std::byte>> chunks) {
  write_file_atomically(path, [&](atomic_file& file) {
    for (const auto chunk : chunks) file.write(chunk);
  });
}

/// Replaces the file by the text.
inline void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, [&](atomic_file& file) { file.write(text); });
}

/// There is something at `path`, whatever it is.
inline bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace advprop
