// Images in folders, one folder a class, as torchvision's ImageFolder reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/data/byte_image.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/data/image_file.hpp>

namespace advprop {

/// What becomes of a file that is not an image, or of which decoding fails.
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

using folder_file = std::pair<std::string, std::string>;  // the folder that it is in, and its name

/// The images of a folder and of those in it, in no order. Links are followed, each real folder is visited once, and a
/// dead link that is named as an image counts as one. Throws `file_error` naming a link that leads back to a folder
/// that it is in, `parent` and the folders around that among them.
[[gnu::cold]] ADVPROP_API void find_images(const std::string& path, std::vector<folder_file>& into,
                                           const std::string& parent = {});

/// What copies and subsets of one folder share.
struct folder_files {
  folder_options options;
  std::vector<std::string> paths;
  std::vector<int> labels;

  std::mutex mutex;  // for what follows
  std::vector<std::string> skipped;
  std::vector<std::shared_ptr<const byte_image>> cached;  // by file
  std::size_t cached_bytes = 0;

  void skip(const std::string& path);

  byte_image decode(std::size_t file);

  /// Adds a file whose first bytes are those of an image.
  void add(const std::string& path, int label);
};

}  // namespace detail

/// The JPEG and PNG files of a folder's class folders: classes are numbered in byte order of their names, and images
/// come class by class in byte order of their folders and names, deeper folders too. Names that begin with a
/// dot are left out. Symbolic links to files and
/// folders are followed; a class visits each real folder once. A cheap copy; copies and subsets share the files, the
/// cache and what was skipped. Several threads may read at once. `folder_view` makes it a source for training.
class image_folder {
 public:
  int classes = 0;
  std::vector<std::string> class_names;

  /// Lists the folder and looks at every file's first bytes. Throws `file_error` naming a folder that is missing, has
  /// no class folders or no images of a class, a link back to a folder that it is in, and (unless they are skipped) a
  /// file that is not an image, or a dead link to one.
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

  /// Where broken files are skipped, those images that can be decoded, which is tried here: for measurements, in which
  /// no image should stand in for another. Throws `file_error` where there are none.
  image_folder readable(int threads) const;
  /// These images, in this order. Throws `argument_error` for one that is not there, and for none.
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
/// of workers. Throws `argument_error` when an image comes out of the transform in another size, and, naming its file,
/// what the transform throws of that kind.
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
    try {
      transform_(image, rng);
    } catch (const argument_error& e) {
      fail<argument_error>(folder_.path(i), ": ", e.what());
    }
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

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/image_folder.inl>
#endif
