// What an evaluation has measured so far, so that an interrupted one goes on where it stopped.
#pragma once

#include <string>

#include <advprop/io/metrics.hpp>

namespace advprop::program {

/// Finished measurements by name, in a file that is replaced as a whole whenever one is added. The name tells what a
/// measurement depends on, besides the settings of the file.
class cell_file {
 public:
  /// Reads what there is; an empty path keeps all in memory. Throws `file_error` for a file that is none of these, and
  /// for one of other settings, naming these; `force` begins anew instead.
  cell_file(std::string path, metrics_entry settings, bool force);

  bool has(const std::string& name) const { return cells_.contains(name); }
  const metrics_entry& at(const std::string& name) const { return cells_.at(name); }
  void add(const std::string& name, metrics_entry value);

 private:
  std::string path_;
  metrics_entry settings_, cells_ = metrics_entry::object();
};

}  // namespace advprop::program
