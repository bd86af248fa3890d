// The definitions of file.hpp (core/linkage.hpp).
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <advprop/io/file.hpp>

namespace advprop::detail {

ADVPROP_API descriptor::descriptor(std::string name, const std::string& path, int flags, std::string_view failure)
    : name_(std::move(name)) {
  do value_ = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  while (value_ < 0 && errno == EINTR);
  if (value_ < 0) fail_errno(failure);
}

ADVPROP_API std::size_t descriptor::read(std::span<std::byte> out) const {
  for (;;) {
    const auto n = ::read(value_, out.data(), out.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) fail_errno("cannot read");
  }
}

ADVPROP_API void descriptor::write(std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const auto n = ::write(value_, bytes.data(), bytes.size());
    if (n >= 0)
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    else if (errno != EINTR)
      fail_errno("cannot write");
  }
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API void atomic_file::commit() {
  struct stat old;
  if (::stat(path_.c_str(), &old) == 0 && ::fchmod(file_.value(), old.st_mode & 07777) != 0)
    file_.fail_errno("cannot keep its permissions");
  file_.sync();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) file_.fail_errno("cannot replace");
  committed_ = true;
  folder_.sync();
}

ADVPROP_API atomic_file::atomic_file(const std::string& name, std::string path)
    : path_(std::move(path)),
      temporary_(path_ + ".advprop-tmp"),
      folder_(name, folder(path_), O_RDONLY | O_DIRECTORY, "cannot open its folder"),
      file_(open_locked(name, temporary_)) {}

ADVPROP_API std::string atomic_file::target(const std::string& path) {
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

ADVPROP_API std::string atomic_file::folder(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

ADVPROP_API detail::descriptor atomic_file::open_locked(const std::string& name, const std::string& temporary) {
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

ADVPROP_API void write_file_atomically(const std::string& path, std::span<const std::span<const std::byte>> chunks) {
  write_file_atomically(path, [&](atomic_file& file) {
    for (const auto chunk : chunks) file.write(chunk);
  });
}

ADVPROP_API void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, [&](atomic_file& file) { file.write(text); });
}

}  // namespace advprop
