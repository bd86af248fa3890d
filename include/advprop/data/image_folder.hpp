// Images in folders, one folder a class, as torchvision's ImageFolder reads them.
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
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/data/image_file.hpp>

namespace advprop {

/// What becomes of a file that is no image, or of which decoding fails.
enum class on_broken {
  fail,  ///< `file_error` naming it
  skip,  ///< left out when the folder is listed; found out later, the next image of its class stands in for it
};

struct folder_options {
  on_broken broken = on_broken::fail;
  image_limits limits = {};
  /// Bytes of decoded images that are kept in memory: the first ones read, until no more fit.
  std::size_t cache = 0;
};

namespace detail {

struct folder_entry {
  std::string name;
  bool is_folder = false;
};

/// What a folder holds, in byte order of the names, which is how Python sorts them.
[[gnu::cold]] inline std::vector<folder_entry> list_folder(const std::string& path) {
  const auto close = [](DIR* d) { ::closedir(d); };
  const std::unique_ptr<DIR, decltype(close)> open(::opendir(path.c_str()), close);
  if (!open) fail<file_error>(path, ": cannot open the folder: ", std::strerror(errno));
  std::vector<folder_entry> entries;
  for (errno = 0; const dirent* e = ::readdir(open.get()); errno = 0) {
    const std::string name = e->d_name;
    struct stat status;
    if (name == "." || name == ".." || ::stat((path + "/" + name).c_str(), &status) != 0) continue;  // a dead link
    entries.push_back({name, S_ISDIR(status.st_mode)});
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

using folder_file = std::pair<std::string, std::string>;  // the folder that it is in, and its name

/// The images of a folder and of those in it, in no order.
[[gnu::cold]] inline void find_images(const std::string& path, std::vector<folder_file>& into) {
  for (const folder_entry& e : list_folder(path)) {
    if (e.is_folder)
      find_images(path + "/" + e.name, into);
    else if (has_image_extension(e.name))
      into.emplace_back(path, e.name);
  }
}

/// What copies and subsets of one folder share.
struct folder_files {
  folder_options options;
  std::vector<std::string> paths;
  std::vector<int> labels;

  std::mutex mutex;  // for what follows
  std::vector<std::string> skipped;
  std::vector<std::shared_ptr<const byte_image>> cached;  // by file
  std::size_t cached_bytes = 0;

  void skip(const std::string& path) {
    const std::lock_guard lock(mutex);
    if (std::find(skipped.begin(), skipped.end(), path) == skipped.end()) skipped.push_back(path);
  }

  byte_image decode(std::size_t file) {
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

  /// Adds a file whose first bytes are those of an image.
  void add(const std::string& path, int label) {
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
};

}  // namespace detail

/// The JPEG and PNG files of a folder's class folders: classes are numbered in byte order of their names, and images
/// come class by class in byte order of their folders and names, deeper folders too. A cheap copy; copies and subsets
/// share the files, the cache and what was skipped. Several threads may read at once. `folder_view` makes it a source
/// for training.
class image_folder {
 public:
  int classes = 0;
  std::vector<std::string> class_names;

  /// Lists the folder and looks at every file's first bytes. Throws `file_error` naming a folder that is missing, has
  /// no class folders or no images of a class, and (unless they are skipped) a file that is no image.
  explicit image_folder(const std::string& folder, const folder_options& options = {});

  int size() const { return static_cast<int>(chosen_.size()); }
  int label(int i) const { return files_->labels[file(i)]; }
  const std::string& path(int i) const { return files_->paths[file(i)]; }

  /// Image i as RGB. Where broken files are skipped, the next image of its class in this subset stands in for one; a
  /// class of nothing else throws `file_error`.
  byte_image decode(int i) const;

  /// Paths of the broken files met so far, each once: those found by listing in their order, then others as met.
  std::vector<std::string> skipped() const {
    const std::lock_guard lock(files_->mutex);
    return files_->skipped;
  }

  /// These images, in this order.
  image_folder subset(const std::vector<int>& images) const;
  /// Images first, first + step, ...
  image_folder every(int step, int first = 0) const;
  /// At most `count` images of each class, the first ones.
  image_folder take_per_class(int count) const;

 private:
  std::size_t file(int i) const { return static_cast<std::size_t>(chosen_[static_cast<std::size_t>(i)]); }

  std::shared_ptr<detail::folder_files> files_;
  std::vector<int> chosen_;  // files
};

struct view_options {
  int size = 224;  ///< images are size x size once they are transformed
};

/// An image folder seen through a transform that makes all images one size, as a source of a loader:
/// `folder_view train(folder, {.size = 128}, pipeline(random_resized_crop{128}, horizontal_flip{}))`.
/// The transform draws from the stream that the loader gives each image, so one seed gives the same bits for any number
/// of workers. Throws `argument_error` when an image comes out of the transform in another size.
template <byte_augmentation A>
class folder_view {
 public:
  int classes;
  std::vector<std::string> class_names;

  folder_view(image_folder folder, const view_options& options, A transform)
      : classes(folder.classes),
        class_names(folder.class_names),
        folder_(std::move(folder)),
        size_(options.size),
        transform_(std::move(transform)) {
    if (size_ < 1) fail<argument_error>("folder_view: images of ", size_, " pixels; must be 1 or more");
  }

  const image_folder& folder() const { return folder_; }
  int size() const { return folder_.size(); }
  shape image() const { return {3, size_, size_}; }
  int label(int i) const { return folder_.label(i); }

  void read(int i, float* out, random_stream& rng) const {
    byte_image image = folder_.decode(i);
    transform_(image, rng);
    if (image.height != size_ || image.width != size_ || image.channels != 3)
      fail<argument_error>("folder_view: the transform gives ", image.height, " x ", image.width, " x ", image.channels,
                           " pixels instead of ", size_, " x ", size_, " x 3");
    detail::to_unit(image.pixels.data(), static_cast<std::ptrdiff_t>(image.pixels.size()), out);
  }
  /// Without a loader: a random transform then draws the same for image i every time.
  void read(int i, float* out) const {
    random_stream rng(0, static_cast<std::uint64_t>(i));
    read(i, out, rng);
  }

 private:
  image_folder folder_;
  int size_;
  A transform_;
};

[[gnu::cold]] inline image_folder::image_folder(const std::string& folder, const folder_options& options)
    : files_(std::make_shared<detail::folder_files>()) {
  files_->options = options;
  for (const detail::folder_entry& e : detail::list_folder(folder)) {
    if (!e.is_folder) continue;
    const std::size_t before = files_->paths.size();
    std::vector<detail::folder_file> found;
    detail::find_images(folder + "/" + e.name, found);
    std::sort(found.begin(), found.end());
    for (const auto& [inside, name] : found) files_->add(inside + "/" + name, classes);
    ++classes;
    class_names.push_back(e.name);
    if (files_->paths.size() == before)
      fail<file_error>(folder, "/", e.name, ": this class has no .jpg, .jpeg or .png image");
  }
  if (classes == 0) fail<file_error>(folder, ": has no class folders");
  if (files_->paths.size() > INT_MAX) fail<file_error>(folder, ": has more images than an int counts");
  for (std::size_t i = 0; i < files_->paths.size(); ++i) chosen_.push_back(static_cast<int>(i));
  if (options.cache > 0) files_->cached.resize(files_->paths.size());
}

inline byte_image image_folder::decode(int i) const {
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

inline image_folder image_folder::subset(const std::vector<int>& images) const {
  if (images.empty()) fail<argument_error>("image_folder: a subset of no images");
  image_folder part = *this;
  part.chosen_.clear();
  for (int i : images) {
    if (i < 0 || i >= size()) fail<argument_error>("image_folder: there is no image ", i, " of ", size());
    part.chosen_.push_back(chosen_[static_cast<std::size_t>(i)]);
  }
  return part;
}

inline image_folder image_folder::every(int step, int first) const {
  if (step < 1 || first < 0) fail<argument_error>("image_folder: every ", step, " images from ", first, " on");
  std::vector<int> images;
  for (std::int64_t i = first; i < size(); i += step) images.push_back(static_cast<int>(i));
  return subset(images);
}

inline image_folder image_folder::take_per_class(int count) const {
  std::vector<int> images, taken(static_cast<std::size_t>(classes));
  for (int i = 0; i < size(); ++i)
    if (taken[static_cast<std::size_t>(label(i))]++ < count) images.push_back(i);
  return subset(images);
}

}  // namespace advprop
