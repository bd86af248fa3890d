// cells.json
#include "cell_file.hpp"

#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/io/file.hpp>

namespace advprop::program {

cell_file::cell_file(std::string path, metrics_entry settings, bool force)
    : path_(std::move(path)), settings_(std::move(settings)) {
  if (path_.empty() || force || !file_exists(path_)) return;
  const auto bytes = read_file<char>(path_);
  const auto before = metrics_entry::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (!before.is_object() || !before.contains("settings") || !before.contains("cells") ||
      !before["settings"].is_object() || !before["cells"].is_object())
    fail<file_error>(path_, ": is no file of finished measurements");
  if (const auto& old = before["settings"]; old != settings_) {
    std::string changes;
    const auto note = [&](const std::string& name, const metrics_entry& a, const metrics_entry& b) {
      if (a.contains(name) && b.contains(name) && a[name] == b[name]) return;
      const auto value = [&](const metrics_entry& j) { return j.contains(name) ? j[name].dump() : "none"; };
      changes += (changes.empty() ? "" : "; ") + name + " was " + value(old) + ", is " + value(settings_);
    };
    for (const auto& [name, value] : old.items()) note(name, old, settings_);
    for (const auto& [name, value] : settings_.items())
      if (!old.contains(name)) note(name, old, settings_);
    fail<file_error>(path_, ": was measured with other settings (", changes,
                     "): choose another --out, or --force to begin anew");
  }
  cells_ = before["cells"];
}

void cell_file::add(const std::string& name, metrics_entry value) {
  cells_[name] = std::move(value);
  if (path_.empty()) return;
  const metrics_entry all = {{"settings", settings_}, {"cells", cells_}};
  write_file_atomically(path_, all.dump(1) + "\n");
}

}  // namespace advprop::program
