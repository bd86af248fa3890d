// Reading data sets by name.
#include "data.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>

#include <advprop/core/number_text.hpp>
#include <advprop/core/parallel.hpp>
#include <advprop/data/augment.hpp>
#include <advprop/data/auto_augment.hpp>
#include <advprop/data/cifar.hpp>
#include <advprop/data/class_list.hpp>
#include <advprop/data/color_jitter.hpp>
#include <advprop/data/crops.hpp>
#include <advprop/data/hold_out.hpp>
#include <advprop/data/idx.hpp>
#include <advprop/data/mix.hpp>
#include <advprop/data/rand_augment.hpp>
#include <advprop/data/random_erasing.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/text.hpp>
#include <advprop/layers/normalize.hpp>

#include "choices.hpp"
#include "content_hash.hpp"

namespace advprop::program {

namespace {

struct known_data {
  const char* name;
  const char* folder;                          // where Debian's package has it
  dataset (*load)(const std::string&, split);  // null: folders of image files
  int padding;
  bool flip;
  channel_statistics numbers;
  shape image;
  int classes;
};

const known_data& known(const std::string& name) {
  static const known_data all[] = {
      {"fashion-mnist",
       "/usr/share/datasets/fashion-mnist",
       load_fashion_mnist,
       2,
       true,
       normalize<fashion_mnist_statistics>::statistics(),
       {1, 28, 28},
       10},
      {"mnist", "", load_mnist, 2, false, normalize<mnist_statistics>::statistics(), {1, 28, 28}, 10},
      {"cifar10", "", load_cifar10, 4, true, normalize<cifar10_statistics>::statistics(), {3, 32, 32}, 10},
      {"cifar100", "", load_cifar100, 4, true, normalize<cifar100_statistics>::statistics(), {3, 32, 32}, 100},
      {"folder", "", nullptr, 0, true, normalize<imagenet_statistics>::statistics(), {3, 0, 0}, 0},
  };
  for (const auto& k : all)
    if (name == k.name) return k;
  fail<argument_error>("--data: there is no data set ", name);
}

/// What `--normalization` may name besides the data set's own.
const std::vector<std::pair<std::string, channel_statistics>>& normalizations() {
  static const auto list = [] {
    std::vector<std::pair<std::string, channel_statistics>> all = {
        {"imagenet", normalize<imagenet_statistics>::statistics()},
        {"symmetric", normalize<symmetric_statistics>::statistics()}};
    for (const char* data : {"cifar10", "cifar100", "fashion-mnist", "mnist"})
      all.emplace_back(data, known(data).numbers);
    return all;
  }();
  return list;
}

std::string folder_of(const settings& s) {
  const std::string folder = s.data_dir.empty() ? known(s.data).folder : s.data_dir;
  if (folder.empty()) fail<argument_error>("--data-dir is needed: the folder with the files of ", s.data);
  return folder;
}

dataset load_bytes(const settings& s, split part, int images, const char* option) {
  dataset d = known(s.data).load(folder_of(s), part);
  if (images > d.size()) fail<argument_error>(option, " is ", images, ", ", d.name, " has ", d.size());
  return images > 0 ? d.take(images) : d;
}
image_source source_of(dataset d) {
  std::string name = d.name;
  return {std::move(name), std::move(d)};
}

/// Training images, and those that `--validation` sets aside.
template <divisible S>
divided<S> parts_of(const settings& s, const S& all) try {
  const double count = s.validation < 1 ? std::round(s.validation * all.size()) : s.validation;
  return hold_out(all, static_cast<int>(count));
} catch (const argument_error& e) {
  const bool share = s.validation < 1;
  fail<argument_error>("--validation is ", share ? shortest(s.validation) : fixed(s.validation, 0), ": ", e.what());
}

/// The classes by turns, so that the first images of a folder are of all classes.
std::vector<int> by_turns(const image_folder& f, const std::vector<int>& images) {
  std::vector<std::pair<int, int>> turns;  // which of its class, which image
  std::vector<int> seen(static_cast<std::size_t>(f.classes));
  for (const int i : images) turns.emplace_back(seen[static_cast<std::size_t>(f.label(i))]++, i);
  std::sort(turns.begin(), turns.end());
  std::vector<int> order;
  for (const auto& [turn, i] : turns) order.push_back(i);
  return order;
}

/// So many of them, spread evenly.
std::vector<int> spread(const image_folder& f, int images) {
  std::vector<int> result;
  const int count = images == 0 ? f.size() : images;
  for (int i = 0; i < count; ++i) result.push_back(static_cast<int>(std::int64_t{i} * f.size() / count));
  return result;
}

std::string part_folder(const settings& s, bool training) {
  const std::string top = folder_of(s);
  if (training) return top + "/train";
  for (const char* part : {"/val", "/test"})
    if (file_exists(top + part)) return top + part;
  fail<file_error>(top, ": has neither a folder val nor a folder test");
}

/// The class folders of training or of test images (these class by class in turn), `images` of them spread evenly over
/// all; 0: all.
image_folder open_folder(const settings& s, bool training, int images, const char* option) {
  const std::string path = part_folder(s, training);
  const image_folder f(path, folder_options_of(s));
  if (images > f.size()) fail<argument_error>(option, " is ", images, ", ", path, " has ", f.size());
  return training ? f.subset(spread(f, images)) : some_of(f, images).readable(reading_threads(s));
}

std::string folder_name(const settings& s) {
  const std::string path = folder_of(s);
  const auto end = path.find_last_not_of('/');
  const auto slash = path.rfind('/', end);
  return end == path.npos ? path : path.substr(slash + 1, end - slash);
}

image_source evaluated(const settings& s, const image_folder& f) {
  return looked_at(s, f, folder_name(s), look::middle);
}

/// What `--augment` or `--aux-augment` names, for images of one size: after crop and flip.
class byte_change {
 public:
  byte_change(const std::string& augment, const settings& s, auto_augment_policy learnt_on) : kind_(augment) {
    automatic_.learnt_on = learnt_on;
    random_.magnitude = s.magnitude;
    jitter_ = {s.color_jitter, s.color_jitter, s.color_jitter, 0.0f};
    erasing_.probability = augment == "none" ? 0 : s.random_erasing;
  }
  /// Of images whose values are between bytes, too: it stands last.
  const random_erasing& erasing() const { return erasing_; }
  bool erases() const { return erasing_.probability > 0; }
  bool needs_color() const { return kind_ == "auto" || kind_ == "rand" || jitters(); }
  void operator()(byte_image& image, random_stream& rng) const {
    if (kind_ == "auto") automatic_(image, rng);
    if (kind_ == "rand") random_(image, rng);
    if (jitters()) jitter_(image, rng);
  }

 private:
  bool jitters() const { return kind_ != "none" && jitter_.brightness.high > 1; }

  std::string kind_;
  auto_augment automatic_;
  rand_augment random_;
  color_jitter jitter_;
  random_erasing erasing_;
};

using augment_function = std::function<void(single_image, random_stream&)>;

augment_function augmentation(const std::string& augment, const settings& s, shape image) {
  if (augment == "none") return [](single_image, random_stream&) {};
  const auto& k = known(s.data);
  const byte_change change(augment, s, auto_augment_policy::cifar10);
  if (change.needs_color() && image.channels != 3)
    fail<argument_error>("--augment ", augment, " and --color-jitter are for images of 3 channels, these have ",
                         image.channels);
  const auto move = pipeline(pad_crop{k.padding}, horizontal_flip{k.flip ? 0.5f : 0.f});
  augment_function all = move;
  if (change.needs_color()) all = pipeline(std::move(all), on_bytes(change));
  if (augment == "cutout") all = pipeline(std::move(all), cutout{image.height / 2, k.numbers.mean});
  if (change.erases()) all = pipeline(std::move(all), change.erasing());
  return all;
}

/// Files: what is cut out of an image decides its size, so augmentation is part of reading it.
image_source augmented(const std::string& augment, const settings& s, const image_folder& f) {
  if (augment == "none") return evaluated(s, f);
  if (augment == "cutout") fail<argument_error>("--augment cutout is not for --data folder");
  random_resized_crop crop;
  crop.size = s.image_size;
  crop.scale.low = s.crop_scale;
  crop.filter = filter_of(s);
  const byte_change change(augment, s, auto_augment_policy::imagenet);
  return {folder_name(s),
          folder_view(f, {.size = s.image_size}, pipeline(crop, horizontal_flip{}, change, change.erasing()))};
}

/// Training and test images are of the same classes.
void check_classes(const settings& s, const data_sets& d) {
  const auto &train = d.train.class_names, &test = d.test.class_names;  // both in byte order
  for (const bool there : {true, false}) {
    std::vector<std::string> missing;
    const auto &has = there ? train : test, &lacks = there ? test : train;
    std::set_difference(has.begin(), has.end(), lacks.begin(), lacks.end(), std::back_inserter(missing));
    if (!missing.empty())
      fail<file_error>(part_folder(s, !there), ": lacks ", missing.size(), " of the ", has.size(), " classes of ",
                       part_folder(s, there), ": ", first_of(missing));
  }
}

}  // namespace

folder_options folder_options_of(const settings& s) {
  folder_options o;
  o.broken = s.broken == "skip" ? on_broken::skip : on_broken::fail;
  o.cache = static_cast<std::size_t>(s.cache) << 20;
  return o;
}

int reading_threads(const settings& s) { return s.threads > 0 ? s.threads : processors(); }

image_folder some_of(const image_folder& f, int images) {
  return f.subset(by_turns(f, spread(f, std::min(images, f.size()))));
}

image_source looked_at(const settings& s, const image_folder& f, std::string name, look how) {
  if (how == look::whole)
    return {std::move(name), folder_view(f, {.size = s.image_size}, whole_image{s.image_size, filter_of(s)})};
  return {std::move(name),
          folder_view(f, {.size = s.image_size}, center_crop{s.image_size, s.crop_fraction, filter_of(s)})};
}

dataset test_bytes(const settings& s) { return load_bytes(s, split::test, s.test_images, "--test-images"); }
image_folder test_folder(const settings& s) { return open_folder(s, false, s.test_images, "--test-images"); }

image_source load_test_data(const settings& s) {
  if (!known(s.data).load) return evaluated(s, test_folder(s));
  return source_of(load_bytes(s, split::test, s.test_images, "--test-images"));
}

std::vector<std::string> listed_classes(const std::string& path, int classes) {
  auto names = read_class_list(path);
  if (static_cast<int>(names.size()) != classes)
    fail<file_error>(path, ": has ", names.size(), " classes, the network ", classes);
  return names;
}

std::vector<std::string> logit_names(const settings& s, const image_source& test) {
  return s.class_list.empty() ? test.class_names : listed_classes(s.class_list, test.classes);
}

std::string content_of(const image_source& images) {
  content_hash hash;
  const int count = images.size();
  const shape image = images.image();
  for (const int n : {count, image.channels, image.height, image.width}) hash.add(n);
  for (int i = 0; i < count; ++i) hash.add(images.label(i));
  std::vector<float> pixels(static_cast<std::size_t>(image.size()));
  // Decoding every file of a large folder would take longer than an epoch: their sizes, and the pixels of some.
  if (images.of_files())
    for (int i = 0; i < count; ++i) {
      std::error_code missing;
      const auto bytes = std::filesystem::file_size(images.title(i), missing);
      hash.add(std::span<const std::uintmax_t>(&bytes, 1));
    }
  const int looked_at = images.of_files() ? std::min(64, count) : count;
  for (int i = 0; i < looked_at; ++i) {
    images.read(static_cast<int>(std::int64_t{i} * count / looked_at), pixels.data());
    hash.add(std::span<const float>(pixels));
  }
  return hash.text();
}

void check_readable(const image_source& images, int threads) {
  if (!images.of_files()) return;
  rethrow_first(parallel_try(threads, images.size(), [&](std::ptrdiff_t i) {
    std::vector<float> pixels(static_cast<std::size_t>(images.image().size()));
    images.read(static_cast<int>(i), pixels.data());
  }));
}

std::string told_of_skipped(std::vector<std::string> files) {
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  if (files.empty()) return "";
  return "Broken files that were skipped: " + std::to_string(files.size()) + " (" + first_of(files) + ")";
}

std::string first_of(const std::vector<std::string>& names) {
  constexpr std::size_t told = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(told, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return text + (names.size() > told ? ", ..." : "");
}

data_sets load_data(const settings& s) {
  data_sets d;
  if (known(s.data).load) {
    dataset all = load_bytes(s, split::train, s.train_images, "--train-images");
    std::optional<divided<dataset>> parts;
    if (s.validation > 0) parts = parts_of(s, all);
    d.train = source_of(std::move(all));
    d.content.training = content_of(d.train);
    if (parts) {
      d.train = source_of(std::move(parts->training));
      d.validation = source_of(std::move(parts->validation));
    }
  } else {
    d.folders = open_folder(s, true, s.train_images, "--train-images");
    d.content.training = content_of(evaluated(s, *d.folders));
    if (s.validation > 0) {
      const auto parts = parts_of(s, *d.folders);
      d.folders = parts.training;
      d.validation = evaluated(s, parts.validation.readable(reading_threads(s)));
    }
    d.train = evaluated(s, *d.folders);
  }
  d.test = load_test_data(s);
  d.content.test = content_of(d.test);
  if (d.folders) check_classes(s, d);
  return d;
}

described_images describe_images(const settings& s) {
  described_images d{known(s.data).image, known(s.data).classes};
  if (s.data == "folder") d = {{3, s.image_size, s.image_size}, s.classes};
  return d;
}

channel_statistics normalization(const settings& s) {
  if (s.normalization == "dataset") return known(s.data).numbers;
  for (const auto& [name, numbers] : normalizations())
    if (s.normalization == name) return numbers;
  fail<argument_error>("--normalization: there is none called ", s.normalization);
}

std::string name_of(const channel_statistics& s) {
  for (const auto& [name, numbers] : normalizations())
    if (numbers == s) return name;
  return description(s);
}

checkpoint_metadata metadata_of(const settings& s, const data_sets& data) {
  checkpoint_metadata m;
  m.model = s.model;
  m.data = data.train.name;
  m.class_names = data.train.class_names;
  m.image_size = data.train.image().height;
  m.crop_fraction = data.folders ? s.crop_fraction : 1;
  m.interpolation = s.interpolation;
  return m;
}

int left_out(const settings& s, int images) { return images >= s.batch ? images % s.batch : 0; }

std::vector<std::unique_ptr<loader>> make_loaders(const settings& s, const data_sets& data) {
  mix mixing;
  mixing.mixup_probability = s.mixup > 0 ? (s.cutmix > 0 ? 0.5f : 1.f) : 0.f;
  mixing.cutmix_probability = s.cutmix > 0 ? 1 - mixing.mixup_probability : 0.f;
  if (s.mixup > 0) mixing.mixup.alpha = s.mixup;
  if (s.cutmix > 0) mixing.cutmix.alpha = s.cutmix;

  std::vector<std::unique_ptr<loader>> loaders;
  for (const std::string& augment : streams_of(s)) {
    loader_options o;
    o.batch = s.batch;
    o.seed = seed(s.seed);
    o.augment_stream = loaders.size();
    o.drop_last = left_out(s, data.train.size()) > 0;
    o.workers = s.workers;
    const image_source images = data.folders ? augmented(augment, s, *data.folders) : data.train;
    augment_function change = [](single_image, random_stream&) {};
    if (!data.folders) change = augmentation(augment, s, images.image());
    if (s.mixup > 0 || s.cutmix > 0)
      loaders.push_back(std::make_unique<loader>(image_source(images), o, change, mixing));
    else
      loaders.push_back(std::make_unique<loader>(image_source(images), o, change));
  }
  return loaders;
}

}  // namespace advprop::program
