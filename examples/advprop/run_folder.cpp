// metrics.jsonl to records and back.
#include "run_folder.hpp"

#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/io/metrics.hpp>

namespace advprop::program {

namespace {

metrics_entry to_json(const std::vector<measured_part>& parts) {
  metrics_entry j = metrics_entry::object();
  for (const auto& p : parts) j[p.name] = {{"loss", p.loss}, {"accuracy", p.accuracy}};
  return j;
}
std::vector<measured_part> parts_of(const metrics_entry& j) {
  std::vector<measured_part> parts;
  for (const auto& [name, value] : j.items()) parts.push_back({name, value.at("loss"), value.at("accuracy")});
  return parts;
}

metrics_entry to_json(const epoch_record& e) {
  metrics_entry j;
  j["epoch"] = e.epoch;
  j["learning_rate"] = e.learning_rate;
  j["training"] = to_json(e.training);
  if (!e.validation.empty()) j["validation"] = to_json(e.validation);
  if (!e.test.empty()) j["test"] = to_json(e.test);
  j["seconds"] = e.seconds;
  j["step_seconds"] = e.step_seconds;
  j["images"] = e.images;
  return j;
}
epoch_record record_of(const metrics_entry& j) {
  epoch_record e;
  e.epoch = j.at("epoch");
  e.learning_rate = j.at("learning_rate");
  e.training = parts_of(j.at("training"));
  if (j.contains("validation")) e.validation = parts_of(j.at("validation"));
  if (j.contains("test")) e.test = parts_of(j.at("test"));
  e.seconds = j.at("seconds");
  e.step_seconds = j.at("step_seconds");
  e.images = j.at("images");
  return e;
}

}  // namespace

void run_folder::check(bool resume, bool force) const {
  if (resume || force) return;
  if (has_run()) fail<file_error>(path_, ": holds a run already: --resume goes on with it, --force replaces it");
}

bool run_folder::has_run() const {
  const auto all = files();
  return std::any_of(all.begin(), all.end(), [](const std::string& file) { return file_exists(file); });
}

bool run_folder::holds(const std::string& file) const {
  const auto all = files();
  return std::any_of(all.begin(), all.end(), [&](const std::string& own) {
    std::error_code missing;
    return std::filesystem::equivalent(own, file, missing);
  });
}

detail::descriptor run_folder::hold() const {
  namespace fs = std::filesystem;
  std::error_code failure;
  fs::create_directories(path_, failure);
  if (failure) fail<file_error>(path_, ": cannot be made: ", failure.message());
  detail::descriptor held(path_, path_, O_RDONLY | O_DIRECTORY, "cannot be opened");
  if (::flock(held.value(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    fail<file_error>(path_, ": another process is at work in it");
  return held;
}

void run_folder::clear() const {
  std::error_code failure;
  for (const auto& file : files()) {
    std::filesystem::remove(file, failure);
    if (failure) fail<file_error>(file, ": cannot be removed: ", failure.message());
  }
}

struct history::log {
  metrics_log file;
};

history::history(const run_folder& folder, int kept) : file_(folder.metrics()) {
  if (kept < 1) return;
  log_.reset(new log{metrics_log(file_, kept)});
  const auto bytes = read_file<char>(folder.metrics());
  std::string_view rest(bytes.data(), bytes.size());
  try {
    for (std::size_t end; (end = rest.find('\n')) != rest.npos; rest.remove_prefix(end + 1))
      epochs_.push_back(record_of(metrics_entry::parse(rest.substr(0, end))));
  } catch (const nlohmann::json::exception&) {
    fail<file_error>(folder.metrics(), ": line ", epochs_.size() + 1, " is not an epoch of this program's");
  }
  for (std::size_t i = 0; i < epochs_.size(); ++i)
    if (epochs_[i].epoch != static_cast<int>(i) + 1 || (epochs_[i].validation.empty() && epochs_[i].test.empty()))
      fail<file_error>(folder.metrics(), ": line ", i + 1, " is not what this program wrote of epoch ", i + 1);
  if (std::ssize(epochs_) != kept)  // what is measured at the end reads all of them
    fail<file_error>(folder.metrics(), ": has ", epochs_.size(), " of the ", kept,
                     " epochs that training.safetensors has seen");
}
history::~history() = default;

void history::add(epoch_record e) {
  if (!log_) log_.reset(new log{metrics_log(file_, 0)});
  log_->file.write(to_json(e));
  epochs_.push_back(std::move(e));
}

}  // namespace advprop::program
