// The folder of a run: its files, and the epochs that it has measured.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <advprop/io/file.hpp>

namespace advprop::program {

class run_folder {
 public:
  explicit run_folder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string summary() const { return path_ + "/summary.json"; }
  std::string model() const { return path_ + "/model.safetensors"; }
  std::string model_main() const { return path_ + "/model-main.safetensors"; }
  std::string training() const { return path_ + "/training.safetensors"; }
  std::string measured() const { return path_ + "/measured.json"; }
  std::string report() const { return path_ + "/report.html"; }

  /// Throws `file_error` where the folder holds a run that shall neither be resumed nor replaced.
  void check(bool resume, bool force) const;
  /// Whether there are files of a training run.
  bool has_run() const;
  /// Whether that is one of them, which `clear` removes.
  bool holds(const std::string& file) const;
  /// Makes the folder where it is missing. Throws `file_error`, also while another process holds what this returns.
  [[nodiscard]] detail::descriptor hold() const;
  /// Removes the run in it. Throws `file_error`.
  void clear() const;

 private:
  std::vector<std::string> files() const {
    return {training(), metrics(), summary(), model(), model_main(), measured(), report()};
  }

  std::string path_;
};

/// Loss and accuracy of a part of the training batch ("clean") or of a domain on other images ("main").
struct measured_part {
  std::string name;
  double loss = 0, accuracy = 0;
};

/// A line of metrics.jsonl.
struct epoch_record {
  int epoch = 0;                                            // from 1
  double learning_rate = 0, seconds = 0, step_seconds = 0;  // of its training; the median step
  std::int64_t images = 0;
  std::vector<measured_part> training;
  std::vector<measured_part> validation;  // by domain; without images that are set aside none, but the test images
  std::vector<measured_part> test;
};

/// What a run has measured so far, in memory and in its metrics.jsonl.
class history {
 public:
  /// Goes on after epoch `kept`; 0 starts anew, once there is an epoch to `add`: until then an older file stays.
  history(const run_folder& folder, int kept);
  ~history();
  history(const history&) = delete;
  history& operator=(const history&) = delete;

  void add(epoch_record e);
  const std::vector<epoch_record>& epochs() const { return epochs_; }

 private:
  struct log;
  std::string file_;
  std::unique_ptr<log> log_;
  std::vector<epoch_record> epochs_;
};

}  // namespace advprop::program
