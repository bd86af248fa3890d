// ImageNet-C's folders.
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/crops.hpp>
#include <advprop/data/jpeg_encoder.hpp>
#include <advprop/robustness/imagenet_c.hpp>

#include "../data/files.hpp"

using namespace advprop;
using namespace advprop::robustness;

namespace {
void add(const files::folder& root, const std::string& name, int grey) {
  byte_image image = byte_image::of(8, 8);
  std::fill(image.pixels.begin(), image.pixels.end(), static_cast<std::uint8_t>(grey));
  std::filesystem::create_directories(std::filesystem::path(root / name).parent_path());
  root.write(name, encode_jpeg(image, 85, true));
}
}  // namespace

TEST_CASE("a corruption and severity is a folder of class folders; what is missing is named at once") {
  const files::folder root;
  add(root, "fog/1/n01/a.JPEG", 10);
  add(root, "fog/1/n02/b.JPEG", 20);
  add(root, "fog/2/n01/a.JPEG", 30);
  add(root, "fog/2/n02/b.JPEG", 40);
  add(root, "snow/1/n01/a.JPEG", 50);
  const imagenet_c set(root.path());
  const image_folder two = set.at(corruption::fog, 2);
  CHECK(two.class_names == std::vector<std::string>{"n01", "n02"});
  CHECK(two.decode(1).pixels[0] == 40);
  const folder_view view(two, {.size = 8}, whole_image{8});
  CHECK(read_batch(view, 1, 1).images(0, 7, 7, 2) == 40.0f / 255);

  const std::vector<int> levels = {1, 2, 5};
  set.require(std::vector{corruption::fog}, std::vector<int>{1, 2});
  CHECK_THROWS_WITH_AS(
      set.require(std::vector{corruption::fog, corruption::frost, corruption::snow, corruption::contrast}, levels),
      (root.path() + ": lacks fog/5, frost, snow/2, snow/5, contrast").c_str(), file_error);
  CHECK_THROWS_WITH_AS(set.at(corruption::fog, 6), "fog: severity 6; must be 1 to 5", argument_error);
  CHECK_THROWS_WITH_AS(set.at(corruption::frost, 1),
                       (root / "frost/1: cannot open the folder: No such file or directory").c_str(), file_error);
}
