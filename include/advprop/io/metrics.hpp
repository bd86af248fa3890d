// metrics.jsonl and summary.json: what a run measured, for programs to read.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <advprop/core/error.hpp>
#include <advprop/io/file.hpp>

namespace advprop {

/// One measurement, in the order its fields were written; NaN and infinity become null, as JSON has neither.
using metrics_entry = nlohmann::ordered_json;

/// A file with one JSON object a line, each with an integer "epoch"; every line is on its way to disk when `write`
/// returns, so a killed run loses none but the one being written.
class metrics_log {
 public:
  /// Keeps what `file` holds up to and including epoch `kept` and drops the rest: 0 starts anew, and a run resumed
  /// after epoch n passes n. Throws file_error where a line is no entry (but a torn last line is dropped) or disk
  /// refuses.
  explicit metrics_log(std::string file, std::int64_t kept = 0) : path_(std::move(file)) {
    write_file_atomically(path_, kept > 0 ? entries_until(kept) : std::string());
    file_.reset(std::fopen(path_.c_str(), "ab"));
    if (!file_) fail<file_error>(path_, ": cannot be opened: ", std::string_view(std::strerror(errno)));
  }

  /// Throws argument_error where the entry lacks an integer "epoch", file_error where disk refuses.
  void write(const metrics_entry& entry) {
    if (!has_epoch(entry)) fail<argument_error>("metrics_log: an entry needs an integer \"epoch\": ", text(entry));
    const std::string line = text(entry) + "\n";
    if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() || std::fflush(file_.get()) != 0)
      fail<file_error>(path_, ": cannot be written: ", std::string_view(std::strerror(errno)));
  }

 private:
  struct closer {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };

  static bool has_epoch(const metrics_entry& e) {
    return e.is_object() && e.contains("epoch") && e["epoch"].is_number_integer();
  }
  static std::string text(const metrics_entry& e) {
    return e.dump(-1, ' ', false, metrics_entry::error_handler_t::replace);
  }

  std::string entries_until(std::int64_t kept) const {
    std::string result;
    if (!file_exists(path_)) return result;
    const auto bytes = read_file(path_);
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    int number = 1;
    // What has no newline was being written when the run was killed.
    for (std::size_t begin = 0, end; (end = all.find('\n', begin)) != all.npos; begin = end + 1, ++number) {
      const auto line = all.substr(begin, end - begin);
      const auto entry = metrics_entry::parse(line, nullptr, false);
      if (!has_epoch(entry)) fail<file_error>(path_, ": line ", number, " is no entry with an epoch");
      if (entry["epoch"].get<std::int64_t>() <= kept) result.append(line) += '\n';
    }
    return result;
  }

  std::string path_;
  std::unique_ptr<std::FILE, closer> file_;
};

/// Writes one JSON object, indented, atomically. Throws file_error.
inline void write_summary(const std::string& file, const metrics_entry& summary) {
  write_file_atomically(file, summary.dump(2, ' ', false, metrics_entry::error_handler_t::replace) + "\n");
}

}  // namespace advprop
