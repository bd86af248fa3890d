// The data sets that the program knows, and how each is augmented.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <advprop/data/dataset.hpp>
#include <advprop/data/image_folder.hpp>
#include <advprop/data/loader.hpp>
#include <advprop/io/checkpoint_metadata.hpp>

#include "image_source.hpp"
#include "runner_options.hpp"
#include "settings.hpp"

namespace advprop::program {

struct data_sets {
  image_source train, test;                // as they are evaluated
  std::optional<image_source> validation;  // what `--validation` sets aside
  std::optional<image_folder> folders;     // of training images, where they come from files
  data_contents content;

  /// What is measured after each epoch.
  const image_source& watched() const { return validation ? *validation : test; }
};

/// Reads the data from `--data-dir`, as far as `--train-images` and `--test-images` say; what is set aside does not
/// depend on the seed. Throws `file_error`, and `argument_error` where too much is to be set aside.
data_sets load_data(const settings& s);
image_source load_test_data(const settings& s);

/// A hash of all labels and pixels; of image files, of their sizes and the pixels of up to 64, spread evenly: the same
/// wherever the files lie.
std::string content_of(const image_source& images);

/// The names in a list of a network's classes. Throws `file_error`, also where they are not as many.
std::vector<std::string> listed_classes(const std::string& path, int classes);
/// Class names in the order of the logits.
std::vector<std::string> logit_names(const settings& s, const image_source& test);

/// Reads every image of files once. Throws what the first one that cannot be read throws.
void check_readable(const image_source& images, int threads);

/// What to say of broken files that were skipped, each once; empty where there are none.
std::string told_of_skipped(std::vector<std::string> files);

/// The first few: "a, b, c, ...".
std::string first_of(const std::vector<std::string>& names);

/// The same as bytes, for data that are not image files; and as files, for those that are.
dataset test_bytes(const settings& s);
image_folder test_folder(const settings& s);

/// How many threads read images.
int reading_threads(const settings& s);

/// `images` of a folder, spread evenly over all, the classes by turns; 0: all.
image_folder some_of(const image_folder& f, int images);
folder_options folder_options_of(const settings& s);
/// As test images are looked at: the middle of each; or the whole, for sets that are stored cropped.
enum class look { middle, whole };
image_source looked_at(const settings& s, const image_folder& f, std::string name, look how);

/// Of one image and the classes, told by `--data`, for folders by `--image-size` and `--classes`.
struct described_images {
  shape image;
  int classes;
};
described_images describe_images(const settings& s);

/// What `--normalization` names, for the images of `--data`.
channel_statistics normalization(const settings& s);
/// The name of such numbers for `--normalization`; a description of others.
std::string name_of(const channel_statistics& s);

/// What the checkpoints of a run say of its network.
checkpoint_metadata metadata_of(const settings& s, const data_sets& data);

/// Of that many training images, those of an epoch that are left out because they fill no batch; where all of them fill
/// none they are one smaller batch.
int left_out(const settings& s, int images);

/// The loaders of a run: the main stream, then one for each auxiliary domain whose images are augmented otherwise.
/// Throws `argument_error` for an augmentation that does not fit the images.
std::vector<std::unique_ptr<loader>> make_loaders(const settings& s, const data_sets& data);

}  // namespace advprop::program
