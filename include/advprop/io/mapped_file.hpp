// A whole file as memory that the system fills in as it is looked at.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <advprop/core/error.hpp>
#include <advprop/io/file.hpp>

namespace advprop {

/// Read-only; several processes that map one file share its memory. The file must not be cut while it is mapped.
class mapped_file {
 public:
  /// Throws `file_error` for what cannot be opened or is not a regular file.
  explicit mapped_file(const std::string& path) {
    const detail::descriptor file(path, path, O_RDONLY, "cannot open");
    const auto status = file.status();
    if (!S_ISREG(status.st_mode)) fail<file_error>(path, ": is not a regular file");
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size == 0) return;
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value(), 0);
    if (memory == MAP_FAILED) file.fail_errno("cannot map into memory");
    bytes_ = {static_cast<const std::uint8_t*>(memory), size};
  }
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;
  ~mapped_file() {
    if (!bytes_.empty()) ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
  }

  std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace advprop
