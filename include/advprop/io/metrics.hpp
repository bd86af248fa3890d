// metrics.jsonl and summary.json: what a run measured, for programs to read.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/io/file.hpp>

namespace advprop {

/// One measurement, in the order its fields were written; NaN and infinity become null, as JSON has neither.
using metrics_entry = nlohmann::ordered_json;

/// A file with one JSON object a line, each with an integer "epoch"; every line is on its way to disk when `write`
/// returns, so a killed run loses none but the one being written.
class metrics_log {
 public:
  /// Keeps what `file` holds up to and including epoch `kept` and drops the rest: 0 starts anew, and a run resumed
  /// after epoch n passes n. Throws file_error where a line is not an entry (but a torn last line is dropped) or disk
  /// refuses.
  explicit metrics_log(std::string file, std::int64_t kept = 0);

  /// Throws argument_error where the entry lacks an integer "epoch", file_error where disk refuses.
  void write(const metrics_entry& entry);

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

  std::string entries_until(std::int64_t kept) const;

  std::string path_;
  std::unique_ptr<std::FILE, closer> file_;
};

/// Writes one JSON object, indented, atomically. Throws file_error.
ADVPROP_API void write_summary(const std::string& file, const metrics_entry& summary);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/metrics.inl>
#endif
