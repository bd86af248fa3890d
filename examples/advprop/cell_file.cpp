// cells.json
#include "cell_file.hpp"

#include <utility>

#include <advprop/core/error.hpp>
#include <advprop/io/file.hpp>

#include "settings.hpp"

namespace advprop::program {

cell_file::cell_file(std::string path, metrics_entry settings, bool force)
    : path_(std::move(path)), settings_(std::move(settings)) {
  if (path_.empty() || force || !file_exists(path_)) return;
  const auto bytes = read_file<char>(path_);
  const auto before = metrics_entry::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (!before.is_object() || !before.contains("settings") || !before.contains("cells") ||
      !before["settings"].is_object() || !before["cells"].is_object())
    fail<file_error>(path_, ": is not a file of finished measurements");
  if (const auto& old = before["settings"]; old != settings_)
    fail<file_error>(path_, ": was measured with other settings (", changes(old, settings_),
                     "): choose another --out, or --force to begin anew");
  cells_ = before["cells"];
}

void cell_file::add(const std::string& name, metrics_entry value) {
  cells_[name] = std::move(value);
  if (path_.empty()) return;
  const metrics_entry all = {{"settings", settings_}, {"cells", cells_}};
  write_file_atomically(path_, all.dump(1) + "\n");
}

}  // namespace advprop::program
