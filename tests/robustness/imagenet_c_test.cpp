// ImageNet-C's folders.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/crops.hpp>
#include <advprop/data/jpeg_encoder.hpp>
#include <advprop/robustness/imagenet_c.hpp>

#include "../data/files.hpp"
#include "../data/image_bytes.hpp"

namespace imagenet_c_test {

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

TEST_CASE("a corrupted copy: the middle of each image, JPEG of quality 85, the same for any number of threads") {
  const files::folder source, out;
  for (int i = 0; i < 5; ++i) {
    byte_image image = byte_image::of(20 + i, 24);
    for (std::size_t p = 0; p < image.pixels.size(); ++p) image.pixels[p] = static_cast<std::uint8_t>(p * 7 + 50u);
    const std::string name = (i < 3 ? "cat/" : "dog/") + std::to_string(i) + ".png";
    std::filesystem::create_directories(std::filesystem::path(source / name).parent_path());
    source.write(name, image_bytes::png(image));
  }
  const image_folder images(source.path());
  const center_crop middle{16, 0.875, resampling::bilinear};
  for (const int threads : {1, 2})
    write_imagenet_c(images, corruption::gaussian_noise, 4, out / std::to_string(threads), seed{3}, threads, {},
                     middle);
  const image_folder one = imagenet_c(out / "1").at(corruption::gaussian_noise, 4);
  const image_folder two = imagenet_c(out / "2").at(corruption::gaussian_noise, 4);
  REQUIRE(one.size() == 5);
  CHECK(one.class_names == images.class_names);
  CHECK(one.path(3) == out / "1/gaussian_noise/4/dog/3.JPEG");
  for (int i = 0; i < 5; ++i) CHECK(read_file(one.path(i)) == read_file(two.path(i)));
  byte_image expected = images.decode(3);
  middle(expected);
  random_stream rng = corruption_stream(seed{3}, corruption::gaussian_noise, 4, 3);
  CHECK(read_file<std::uint8_t>(one.path(3)) ==
        encode_jpeg(corrupt(expected, corruption::gaussian_noise, 4, rng), 85, true));
  CHECK_FALSE(file_exists(out / "1/gaussian_noise/4.advprop-tmp"));

  const auto again = [&](corruption kind, int severity) {
    write_imagenet_c(images, kind, severity, out / "1", seed{3}, 1, {}, middle);
  };
  CHECK_THROWS_WITH_AS(again(corruption::gaussian_noise, 4), (out / "1/gaussian_noise/4: is there already").c_str(),
                       file_error);
  CHECK_THROWS_AS(again(corruption::fog, 6), argument_error);
  CHECK_THROWS_AS(again(corruption::frost, 1), argument_error);
  CHECK_FALSE(file_exists(out / "1/frost"));
  out.write("file", {1});
  CHECK_THROWS_AS(write_imagenet_c(images, corruption::fog, 1, out / "file", seed{3}, 1, {}, middle), file_error);

  // A broken image leaves nothing behind that looks finished.
  auto cut = read_file<std::uint8_t>(source / "dog/4.png");
  cut.resize(cut.size() - 20);
  source.write("dog/4.png", cut);
  CHECK_THROWS_AS(again(corruption::contrast, 1), file_error);
  CHECK_FALSE(file_exists(out / "1/contrast/1"));
  CHECK_FALSE(file_exists(out / "1/contrast/1.advprop-tmp"));
  std::filesystem::copy_file(source / "cat/1.png", source / "cat/1.jpg");
  CHECK_THROWS_WITH_AS(write_imagenet_c(image_folder(source.path()), corruption::fog, 1, out.path(), seed{3}, 1),
                       (out.path() + ": two images would get the name cat/1.JPEG").c_str(), file_error);
}

}  // namespace imagenet_c_test
