// The definitions of image_folder.hpp (core/linkage.hpp).
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/parallel.hpp>
#include <advprop/data/image_folder.hpp>

namespace advprop::detail {

struct folder_entry {
  std::string name;
  bool is_folder = false;
};

/// What a folder holds, in byte order of the names, which is how Python sorts them. Hidden names are left out:
/// programs keep copies and previews of images in such files and folders (.ipynb_checkpoints, ._photo.jpg).
[[gnu::cold]] inline std::vector<folder_entry> list_folder(const std::string& path) {
  const auto close = [](DIR* d) { ::closedir(d); };
  const std::unique_ptr<DIR, decltype(close)> open(::opendir(path.c_str()), close);
  if (!open) fail<file_error>(path, ": cannot open the folder: ", std::strerror(errno));
  std::vector<folder_entry> entries;
  for (errno = 0; const dirent* e = ::readdir(open.get()); errno = 0) {
    const std::string name = e->d_name;
    if (name.starts_with('.')) continue;
    struct stat status;
    const bool found = ::stat((path + "/" + name).c_str(), &status) == 0;  // not so: a dead link, a file like others
    entries.push_back({name, found && S_ISDIR(status.st_mode)});
  }
  if (errno != 0) fail<file_error>(path, ": cannot read the folder: ", std::strerror(errno));
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

/// .jpg, .jpeg or .png, in any case.
inline bool has_image_extension(const std::string& name) {
  const auto dot = name.rfind('.');
  if (dot == std::string::npos) return false;
  std::string end = name.substr(dot + 1);
  for (char& c : end)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return end == "jpg" || end == "jpeg" || end == "png";
}

/// A folder's path without links.
[[gnu::cold]] inline std::string real_path(const std::string& path) {
  const auto release = [](char* p) { std::free(p); };
  const std::unique_ptr<char, decltype(release)> real(::realpath(path.c_str(), nullptr), release);
  if (!real) fail<file_error>(path, ": cannot open the folder: ", std::strerror(errno));
  return real.get();
}

/// Whether a folder is another one or around it; both are real paths.
inline bool holds(const std::string& outer, const std::string& inner) {
  return inner.starts_with(outer) && (inner.size() == outer.size() || outer == "/" || inner[outer.size()] == '/');
}

/// Looks for images in folders inside one another.
class image_search {
 public:
  explicit image_search(std::vector<folder_file>& into) : into_(into) {}

  /// What follows is in this folder.
  void enter(const std::string& path) { around_.push_back(real_path(path)); }

  void visit(const std::string& path) {
    const std::string real = real_path(path);
    for (const std::string& outer : around_)
      if (holds(real, outer)) fail<file_error>(path, ": a link that leads back to a folder that it is in");
    if (!visited_.insert(real).second) return;
    around_.push_back(real);
    for (const folder_entry& e : list_folder(path)) {
      if (e.is_folder)
        visit(path + "/" + e.name);
      else if (has_image_extension(e.name))
        into_.emplace_back(path, e.name);
    }
    around_.pop_back();
  }

 private:
  std::vector<folder_file>& into_;
  std::vector<std::string> around_;  // real paths of the folders that the search is in
  std::set<std::string> visited_;    // real paths, too
};

ADVPROP_API void find_images(const std::string& path, std::vector<folder_file>& into, const std::string& parent) {
  image_search search(into);
  if (!parent.empty()) search.enter(parent);
  search.visit(path);
}

ADVPROP_API void folder_files::skip(const std::string& path) {
  const std::lock_guard lock(mutex);
  if (std::find(skipped.begin(), skipped.end(), path) == skipped.end()) skipped.push_back(path);
}

ADVPROP_API byte_image folder_files::decode(std::size_t file) {
  if (options.cache == 0) return read_image(paths[file], options.limits);
  std::shared_ptr<const byte_image> kept;
  {
    const std::lock_guard lock(mutex);
    kept = cached[file];
  }
  if (kept) return *kept;
  byte_image image = read_image(paths[file], options.limits);
  const std::lock_guard lock(mutex);
  if (!cached[file] && image.pixels.size() <= options.cache - cached_bytes) {
    cached[file] = std::make_shared<const byte_image>(image);
    cached_bytes += image.pixels.size();
  }
  return image;
}

ADVPROP_API void folder_files::add(const std::string& path, int label) {
  try {
    const descriptor file(path, path, O_RDONLY, "cannot open");
    std::array<std::uint8_t, 8> first{};
    const std::size_t size = file.read(std::as_writable_bytes(std::span(first)));
    kind_of_image({first.data(), size}, path);
  } catch (const file_error&) {
    if (options.broken == on_broken::fail) throw;
    skip(path);
    return;
  }
  paths.push_back(path);
  labels.push_back(label);
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API image_folder::image_folder(const std::string& folder, const folder_options& options)
    : files_(std::make_shared<detail::folder_files>()) {
  files_->options = options;
  for (const detail::folder_entry& e : detail::list_folder(folder)) {
    if (!e.is_folder) continue;
    const std::size_t before = files_->paths.size(), broken = files_->skipped.size();
    std::vector<detail::folder_file> found;
    detail::find_images(folder + "/" + e.name, found, folder);
    std::sort(found.begin(), found.end());
    for (const auto& [inside, name] : found) files_->add(inside + "/" + name, classes);
    ++classes;
    class_names.push_back(e.name);
    if (files_->paths.size() == before)
      fail<file_error>(folder, "/", e.name,
                       files_->skipped.size() > broken ? ": every image of this class is broken"
                                                       : ": this class has no .jpg, .jpeg or .png image");
  }
  if (classes == 0) fail<file_error>(folder, ": has no class folders");
  if (files_->paths.size() > INT_MAX) fail<file_error>(folder, ": has more images than an int counts");
  for (std::size_t i = 0; i < files_->paths.size(); ++i) chosen_.push_back(static_cast<int>(i));
  if (options.cache > 0) files_->cached.resize(files_->paths.size());
}

ADVPROP_API byte_image image_folder::decode(int i) const {
  if (files_->options.broken == on_broken::fail) return files_->decode(file(i));
  for (int step = 0; step < size(); ++step) {
    const int candidate = static_cast<int>((std::int64_t{i} + step) % size());
    if (label(candidate) != label(i)) continue;
    try {
      return files_->decode(file(candidate));
    } catch (const file_error&) {
      files_->skip(path(candidate));
    }
  }
  fail<file_error>(path(i), ": is broken, and so is every other image of its class");
}

ADVPROP_API image_folder image_folder::readable(int threads) const {
  if (files_->options.broken == on_broken::fail) return *this;
  const auto errors =
      parallel_try(threads, size(), [&](std::ptrdiff_t i) { files_->decode(file(static_cast<int>(i))); });
  std::vector<int> good;
  for (int i = 0; i < size(); ++i) {
    if (!errors[static_cast<std::size_t>(i)]) {
      good.push_back(i);
      continue;
    }
    try {
      std::rethrow_exception(errors[static_cast<std::size_t>(i)]);
    } catch (const file_error&) {
      files_->skip(path(i));
    }
  }
  if (good.empty()) fail<file_error>(path(0), ": is broken, and so is every other image");
  return subset(good);
}

ADVPROP_API image_folder image_folder::subset(const std::vector<int>& images) const {
  if (images.empty()) fail<argument_error>("image_folder: a subset of no images");
  image_folder part = *this;
  part.chosen_.clear();
  for (int i : images) {
    if (i < 0 || i >= size()) fail<argument_error>("image_folder: there is no image ", i, " of ", size());
    part.chosen_.push_back(chosen_[static_cast<std::size_t>(i)]);
  }
  return part;
}

ADVPROP_API image_folder image_folder::every(int step, int first) const {
  if (step < 1 || first < 0) fail<argument_error>("image_folder: every ", step, " images from ", first, " on");
  std::vector<int> images;
  for (std::int64_t i = first; i < size(); i += step) images.push_back(static_cast<int>(i));
  return subset(images);
}

ADVPROP_API image_folder image_folder::take_per_class(int count) const {
  std::vector<int> images, taken(static_cast<std::size_t>(classes));
  for (int i = 0; i < size(); ++i)
    if (taken[static_cast<std::size_t>(label(i))]++ < count) images.push_back(i);
  return subset(images);
}

}  // namespace advprop
