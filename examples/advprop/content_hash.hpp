// A hash that tells whether contents are those of an earlier run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace advprop::program {

/// FNV-1a on words of 64 bits, mixed so that high bits reach low ones.
class content_hash {
 public:
  template <class T>
  void add(std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    for (std::size_t i = 0; i < bytes.size(); i += sizeof value_) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i, std::min(sizeof word, bytes.size() - i));
      value_ = (value_ ^ word) * 0x100000001b3u;
      value_ ^= value_ >> 32;
    }
  }
  void add(int value) { add(std::span<const int>(&value, 1)); }

  std::string text() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value_));
    return digits;
  }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

/// "PATH, 1f2e...": a file, or all files of a folder, by name, size and time of the last change. Elsewhere, or changed,
/// it is another text.
inline std::string place_and_time(const std::string& path) {
  namespace fs = std::filesystem;
  content_hash hash;
  std::vector<std::string> files;
  std::error_code failure;  // what cannot be looked at is refused where it is read
  if (fs::is_directory(path, failure)) {
    for (fs::recursive_directory_iterator at(path, failure), end; at != end; at.increment(failure))
      if (at->is_regular_file(failure)) files.push_back(at->path().string());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  for (const auto& file : files) {
    hash.add(std::span<const char>(file));
    const auto bytes = fs::file_size(file, failure);
    const auto changed = fs::last_write_time(file, failure).time_since_epoch().count();
    hash.add(std::span(&bytes, 1));
    hash.add(std::span(&changed, 1));
  }
  return path + ", " + hash.text();
}

}  // namespace advprop::program
