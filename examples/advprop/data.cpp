// Reading data sets by name.
#include "data.hpp"

#include <utility>

#include <advprop/data/cifar.hpp>
#include <advprop/data/idx.hpp>
#include <advprop/layers/normalize.hpp>

namespace advprop::program {

namespace {

struct known_data {
  const char* name;
  const char* folder;  // where Debian's package has it
  dataset (*load)(const std::string&, split);
  int padding;
  bool flip;
  normalization_numbers numbers;
};

template <class Statistics>
normalization_numbers numbers_of() {
  return {{Statistics::mean.begin(), Statistics::mean.end()},
          {Statistics::deviation.begin(), Statistics::deviation.end()}};
}

const known_data& known(const std::string& name) {
  static const known_data all[] = {
      {"fashion-mnist", "/usr/share/datasets/fashion-mnist", load_fashion_mnist, 2, true,
       numbers_of<fashion_mnist_statistics>()},
      {"mnist", "", load_mnist, 2, false, numbers_of<mnist_statistics>()},
      {"cifar10", "", load_cifar10, 4, true, numbers_of<cifar10_statistics>()},
      {"cifar100", "", load_cifar100, 4, true, numbers_of<cifar100_statistics>()},
  };
  for (const auto& k : all)
    if (name == k.name) return k;
  fail<argument_error>("--data: there is no data set ", name);
}

dataset load(const settings& s, split part, int images, const char* option) {
  const auto& k = known(s.data);
  const std::string folder = s.data_dir.empty() ? k.folder : s.data_dir;
  if (folder.empty()) fail<argument_error>("--data-dir is needed: the folder with the files of ", s.data);
  dataset d = k.load(folder, part);
  if (images > d.size()) fail<argument_error>(option, " is ", images, ", ", d.name, " has ", d.size());
  return images > 0 ? d.take(images) : d;
}

}  // namespace

dataset load_test_data(const settings& s) { return load(s, split::test, s.test_images, "--test-images"); }

data_sets load_data(const settings& s) {
  return {load(s, split::train, s.train_images, "--train-images"), load_test_data(s)};
}

normalization_numbers normalization(const settings& s) {
  const auto& own = known(s.data).numbers;
  if (s.normalization == "dataset") return own;
  if (own.mean.size() != 3) fail<argument_error>("--normalization ", s.normalization, " is for images of 3 channels");
  return s.normalization == "imagenet" ? numbers_of<imagenet_statistics>() : numbers_of<symmetric_statistics>();
}

augment_function augmentation(const settings& s, bool strong) {
  if (!s.augment) {
    if (strong) fail<argument_error>("--no-augment leaves nothing for a domain with --attack none");
    return [](single_image, random_stream&) {};
  }
  const auto& k = known(s.data);
  const pad_crop crop{k.padding};
  const horizontal_flip flip{k.flip ? 0.5f : 0.f};
  if (!strong) return pipeline(crop, flip);
  return [crop, flip, fill = k.numbers.mean](single_image image, random_stream& rng) {
    pipeline(crop, flip, cutout{image.extent(0) / 2, fill})(image, rng);
  };
}

}  // namespace advprop::program
