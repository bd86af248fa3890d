// The definitions of metrics.hpp (core/linkage.hpp).
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <advprop/io/metrics.hpp>

namespace advprop {

ADVPROP_API metrics_log::metrics_log(std::string file, std::int64_t kept) : path_(std::move(file)) {
  write_file_atomically(path_, kept > 0 ? entries_until(kept) : std::string());
  file_.reset(std::fopen(path_.c_str(), "ab"));
  if (!file_) fail<file_error>(path_, ": cannot be opened: ", std::string_view(std::strerror(errno)));
}

ADVPROP_API void metrics_log::write(const metrics_entry& entry) {
  if (!has_epoch(entry)) fail<argument_error>("metrics_log: an entry needs an integer \"epoch\": ", text(entry));
  const std::string line = text(entry) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() || std::fflush(file_.get()) != 0)
    fail<file_error>(path_, ": cannot be written: ", std::string_view(std::strerror(errno)));
}

ADVPROP_API std::string metrics_log::entries_until(std::int64_t kept) const {
  std::string result;
  if (!file_exists(path_)) return result;
  const auto bytes = read_file(path_);
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  int number = 1;
  // What has no newline was being written when the run was killed.
  for (std::size_t begin = 0, end; (end = all.find('\n', begin)) != all.npos; begin = end + 1, ++number) {
    const auto line = all.substr(begin, end - begin);
    const auto entry = metrics_entry::parse(line, nullptr, false);
    if (!has_epoch(entry)) fail<file_error>(path_, ": line ", number, " is not an entry with an epoch");
    if (entry["epoch"].get<std::int64_t>() <= kept) result.append(line) += '\n';
  }
  return result;
}

ADVPROP_API void write_summary(const std::string& file, const metrics_entry& summary) {
  write_file_atomically(file, summary.dump(2, ' ', false, metrics_entry::error_handler_t::replace) + "\n");
}

}  // namespace advprop
