// advprop predict: what a checkpoint's network takes images for.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/parallel.hpp>
#include <advprop/data/crops.hpp>
#include <advprop/data/image_color.hpp>
#include <advprop/data/image_file.hpp>
#include <advprop/data/image_folder.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/text.hpp>

#include "checkpoint.hpp"
#include "choices.hpp"
#include "commands.hpp"
#include "data.hpp"
#include "table.hpp"

namespace advprop::program {

namespace {

constexpr int most_at_once = 250;  // images that are in memory

/// Files as they are given; of a folder, the images in byte order of their folders and names.
std::vector<std::string> files_of(const std::vector<std::string>& given) {
  std::vector<std::string> files;
  for (const auto& path : given) {
    if (!std::filesystem::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<detail::folder_file> found;
    detail::find_images(path, found);
    if (found.empty()) fail<file_error>(path, ": has no .jpg, .jpeg or .png image");
    std::sort(found.begin(), found.end());
    for (const auto& [folder, name] : found) files.push_back(folder + "/" + name);
  }
  return files;
}

/// As many as the network has, in the order of its logits.
std::vector<std::string> class_names(const settings& s, const checkpoint_metadata& recorded) {
  std::vector<std::string> names = recorded.class_names;
  if (!s.class_list.empty()) names = listed_classes(s.class_list, s.classes);
  for (int i = static_cast<int>(names.size()); i < s.classes; ++i) names.push_back(std::to_string(i));
  return names;
}

/// The images of some files that can be decoded, and which those are.
struct decoded {
  tensor<float, 4> images;
  std::vector<std::string> files;
};

/// Broken files are fatal, or go to `skipped`.
decoded decode(const std::string* first, std::ptrdiff_t count, const settings& s, std::vector<std::string>& skipped) {
  const center_crop middle{s.image_size, s.crop_fraction, filter_of(s)};
  std::vector<byte_image> images(static_cast<std::size_t>(count));
  const auto errors = parallel_try(reading_threads(s), count, [&](std::ptrdiff_t i) {
    byte_image& image = images[static_cast<std::size_t>(i)];
    image = read_image(first[i]);
    if (s.channels == 1) image = grey_of(image);
    middle(image);
  });
  decoded result;
  std::vector<const byte_image*> good;
  for (std::size_t i = 0; i < images.size(); ++i) {
    try {
      if (errors[i]) std::rethrow_exception(errors[i]);
      result.files.push_back(first[i]);
      good.push_back(&images[i]);
    } catch (const file_error&) {
      if (s.broken == "fail") throw;
      skipped.push_back(first[i]);
    }
  }
  result.images = tensor<float, 4>({static_cast<int>(good.size()), s.image_size, s.image_size, s.channels});
  float* out = result.images.data();
  for (const byte_image* image : good) {
    detail::to_unit(image->pixels.data(), std::ssize(image->pixels), out);
    out += image->pixels.size();
  }
  return result;
}

/// As many as memory is large enough for. Throws `memory_error` where it is not for one.
int images_at_once(const settings& s) {
  if (s.device != "cpu") return most_at_once;  // a GPU's memory is looked after where it is taken
  any_device device = dry_device_of(s);
  runner_options network;
  network.model = s.model;
  network.shape = {s.channels, s.classes};
  const auto net = make_runner(device, network);
  const double pixels = static_cast<double>(s.image_size) * s.image_size * s.channels,
               memory = static_cast<double>(host_memory());
  const auto needed = [&](int images) {
    return static_cast<double>(net->plan_evaluation(images, s.image_size).peak) + images * pixels * (sizeof(float) + 1);
  };
  int images = most_at_once;
  while (images > 1 && needed(images) > memory / 4) images /= 2;
  if (const double least = needed(images); least > memory)
    fail<memory_error>("--image-size ", s.image_size, ": ", s.model, " takes ",
                       grouped(static_cast<std::int64_t>(least / (1 << 20))), " MiB for one image, and there are ",
                       grouped(static_cast<std::int64_t>(memory / (1 << 20))), " MiB of memory");
  return images;
}

}  // namespace

void predict(const settings& given) {
  const checkpoint_facts file = facts_of(given.checkpoint);
  const settings s = seen_as_recorded(completed(given, file), {&file, 1});
  if (s.image_size == 0) fail<argument_error>("--image-size is needed: ", file.path, " records none");
  const int domain = domain_in(s, file), top = std::min(s.top, s.classes);
  const auto names = class_names(s, file.metadata);
  const auto files = files_of(s.images);
  std::optional<atomic_file> out;  // before there is anything to lose
  if (!s.out.empty()) {
    auto read = files;
    read.insert(read.end(), {s.checkpoint, s.class_list});
    check_output(s, read);
    if (const auto kind = std::filesystem::path(s.out).extension(); kind == ".jpg" || kind == ".jpeg" || kind == ".png")
      fail<argument_error>("--out is ", s.out, ", the name of an image: predictions are written as CSV");
  }
  if (!s.out.empty()) out.emplace(s.out);
  const std::ptrdiff_t at_once = images_at_once(s);
  any_device device = device_of(s);
  const auto net = load_network(device, s, file, {s.channels, s.classes}, domain, required_normalization(s, file));

  std::string csv = "image,rank,index,class,probability\n";
  std::vector<std::string> skipped;
  for (std::ptrdiff_t start = 0; start < std::ssize(files); start += at_once) {
    const auto some =
        decode(&files[static_cast<std::size_t>(start)], std::min(at_once, std::ssize(files) - start), s, skipped);
    if (some.files.empty()) continue;
    const auto probabilities = [&] {
      try {
        return net->probabilities(some.images, domain);
      } catch (const numeric_error& e) {
        fail<numeric_error>(file.path, ": ", e.what());
      }
    }();
    for (std::size_t i = 0; i < some.files.size(); ++i) {
      const auto probability = [&](int c) { return probabilities(static_cast<int>(i), c); };
      std::vector<int> order(names.size());
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return probability(a) > probability(b); });
      std::vector<std::vector<std::string>> rows;
      for (int rank = 0; rank < top; ++rank) {
        const int c = order[static_cast<std::size_t>(rank)];
        const auto& name = names[static_cast<std::size_t>(c)];
        rows.push_back({"  " + name, fixed(100 * static_cast<double>(probability(c)), 2) + " %"});
        csv += csv_field(some.files[i]) + "," + std::to_string(rank + 1) + "," + std::to_string(c) + "," +
               csv_field(name) + "," + shortest(probability(c)) + "\n";
      }
      std::printf("%s\n%s", some.files[i].c_str(), aligned(rows).c_str());
    }
  }
  if (!skipped.empty()) {
    std::string list;
    for (const auto& path : skipped) list += (list.empty() ? "" : ", ") + path;
    std::printf("Broken files that were skipped: %zu (%s)\n", skipped.size(), list.c_str());
  }
  if (!out) return;
  out->write(csv);
  out->commit();
  std::printf("%s\n", s.out.c_str());
}

}  // namespace advprop::program
