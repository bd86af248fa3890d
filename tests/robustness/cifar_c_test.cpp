// Corrupted copies in CIFAR-10-C's layout.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/robustness/cifar_c.hpp>
#include <advprop/robustness/corrupted_source.hpp>

#include "../data/files.hpp"

namespace cifar_c_test {

using namespace advprop;
using namespace advprop::robustness;

namespace {
std::vector<std::uint8_t> content(const std::string& path) { return read_file<std::uint8_t>(path, 1 << 20); }
}  // namespace

TEST_CASE("a .npy header is NumPy's") {
  const std::string header = npy_header({50000, 32, 32, 3});
  CHECK(header.size() == 128);
  CHECK(header.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
  CHECK(header[8] + 256 * header[9] == 118);
  CHECK(header.substr(10, 71) == "{'descr': '|u1', 'fortran_order': False, 'shape': (50000, 32, 32, 3), }");
  CHECK(header.find_first_not_of(' ', 81) == 127);
  CHECK(header.back() == '\n');
  CHECK(npy_header({7}).find("(7,), }") != std::string::npos);
}

TEST_CASE("a corrupted copy is severity after severity, of the images' own random numbers") {
  const files::folder folder;
  dataset data;
  data.name = "small", data.classes = 3, data.image_shape = {3, 4, 5}, data.labels = {2, 0, 1};
  for (int i = 0; i < 3 * 60; ++i) data.pixels.push_back(static_cast<std::uint8_t>(37 * i));
  write_cifar_c(data, corruption::gaussian_noise, folder.path(), seed{4}, 2);
  write_cifar_c_labels(data, folder.path());

  const auto labels = content(folder.path() + "/labels.npy");
  REQUIRE(labels.size() == 128 + 15);
  CHECK(std::vector(labels.end() - 15, labels.end()) ==
        std::vector<std::uint8_t>{2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1});

  const auto bytes = content(folder.path() + "/gaussian_noise.npy");
  REQUIRE(bytes.size() == 128 + 15 * 60);
  byte_image second = byte_image::of(4, 5);
  std::copy_n(data.bytes(1), 60, second.pixels.begin());
  random_stream rng = corruption_stream(seed{4}, corruption::gaussian_noise, 3, 1);
  const auto expected = corrupt(second, corruption::gaussian_noise, 3, rng, {severity_scale::cifar, nullptr});
  CHECK(std::equal(expected.pixels.begin(), expected.pixels.end(), bytes.begin() + 128 + (2 * 3 + 1) * 60));

  CHECK_THROWS_WITH_AS(write_cifar_c(data, corruption::gaussian_noise, folder.path(), seed{4}, 2),
                       doctest::Contains("gaussian_noise.npy: is there already"), file_error);
  write_cifar_c_labels(data, folder.path());  // the same
  dataset other = data;
  other.labels[2] = 2;
  CHECK_THROWS_WITH_AS(write_cifar_c_labels(other, folder.path()),
                       doctest::Contains("labels.npy: is there already, for other images"), file_error);
  CHECK_THROWS_AS(write_cifar_c(data, corruption::fog, folder.path() + "/none", seed{}, 1), file_error);
  CHECK_THROWS_AS(write_cifar_c(data, corruption::frost, folder.path(), seed{}, 1), argument_error);
  CHECK_FALSE(file_exists(folder.path() + "/frost.npy"));
}

TEST_CASE("what was written is read: a fifth of a file for each severity") {
  const files::folder folder;
  dataset data;
  data.name = "small", data.classes = 3, data.image_shape = {3, 4, 5}, data.labels = {2, 0, 1};
  for (int i = 0; i < 3 * 60; ++i) data.pixels.push_back(static_cast<std::uint8_t>(37 * i));
  write_cifar_c(data, corruption::shot_noise, folder.path(), seed{4}, 1);
  write_cifar_c(data, corruption::contrast, folder.path(), seed{4}, 1);
  write_cifar_c_labels(data, folder.path());
  const cifar_c set(folder.path(), 3);
  for (int severity = 1; severity <= 5; ++severity) {
    const npy_images some = set.at(corruption::contrast, severity);
    REQUIRE(some.size() == 3);
    CHECK(some.image() == data.image());
    for (int i = 0; i < 3; ++i) {
      CHECK(some.label(i) == data.label(i));
      byte_image image = byte_image::of(4, 5);
      std::copy_n(data.bytes(i), 60, image.pixels.begin());
      random_stream rng;
      const auto expected = corrupt(image, corruption::contrast, severity, rng, {severity_scale::cifar, nullptr});
      CHECK(std::equal(expected.pixels.begin(), expected.pixels.end(), some.bytes(i)));
    }
  }
  CHECK_THROWS_WITH_AS(set.at(corruption::contrast, 0), "contrast: severity 0; must be 1 to 5", argument_error);
  CHECK_THROWS_WITH_AS(set.at(corruption::fog, 1), (folder / "fog.npy: cannot open: No such file or directory").c_str(),
                       file_error);
  set.require(std::vector{corruption::contrast, corruption::shot_noise});
  CHECK_THROWS_WITH_AS(set.require(benchmark_corruptions.first(4)),
                       (folder.path() + ": lacks gaussian_noise.npy, impulse_noise.npy, defocus_blur.npy").c_str(),
                       file_error);
  CHECK_THROWS_WITH_AS(cifar_c(folder / "none", 3).require(benchmark_corruptions.first(1)),
                       (folder / "none: lacks labels.npy, gaussian_noise.npy").c_str(), file_error);
  CHECK_THROWS_WITH_AS(cifar_c(folder.path(), 2).at(corruption::contrast, 1),
                       (folder / "labels.npy: label 2 of image 0 is outside 0..1").c_str(), file_error);

  auto cut = content(folder / "contrast.npy");
  cut.pop_back();
  folder.write("contrast.npy", cut);
  CHECK_THROWS_WITH_AS(
      set.at(corruption::contrast, 1),
      (folder / "contrast.npy: truncated: 899 bytes of data where its shape (15, 4, 5, 3) asks for 900").c_str(),
      file_error);
  const std::string four = npy_header({4}), images = npy_header({4, 1, 1, 3});
  files::bytes labels(four.begin(), four.end()), pixels(images.begin(), images.end());
  labels.resize(labels.size() + 4);
  pixels.resize(pixels.size() + 12);
  folder.write("labels.npy", labels);
  folder.write("fog.npy", pixels);
  CHECK_THROWS_WITH_AS(set.at(corruption::fog, 1),
                       (folder / "fog.npy: 4 images are not as many for each of 5 severities").c_str(), file_error);
}

TEST_CASE("corrupted as they are read, images are the same as in a written copy") {
  const files::folder folder;
  dataset data;
  data.name = "small", data.classes = 3, data.image_shape = {3, 8, 8}, data.labels = {2, 0, 1};
  data.class_names = {"a", "b", "c"};
  for (int i = 0; i < 3 * 192; ++i) data.pixels.push_back(static_cast<std::uint8_t>(41 * i));
  write_cifar_c_labels(data, folder.path());
  for (const corruption kind : {corruption::impulse_noise, corruption::glass_blur, corruption::saturate}) {
    write_cifar_c(data, kind, folder.path(), seed{9}, 2);
    const npy_images written = cifar_c(folder.path(), 3).at(kind, 3);
    const corrupted_source read(data, kind, 3, seed{9}, {severity_scale::cifar, nullptr});
    static_assert(source<std::remove_const_t<decltype(read)>>);
    CHECK(read.class_names == data.class_names);
    const image_batch a = read_batch(written, 0, 3), b = read_batch(read, 0, 3);
    CHECK(std::equal(a.images.begin(), a.images.end(), b.images.begin()));
    CHECK(std::equal(a.labels.begin(), a.labels.end(), b.labels.begin()));
  }
  CHECK_THROWS_AS(corrupted_source(data, corruption::fog, 6, seed{}), argument_error);
  CHECK_THROWS_AS(corrupted_source(data, corruption::frost, 1, seed{}), argument_error);
}

TEST_CASE("grey images are corrupted as they are read") {
  const files::folder folder;
  dataset data;
  data.name = "grey", data.classes = 2, data.image_shape = {1, 8, 8}, data.labels = {1, 0};
  for (int i = 0; i < 2 * 64; ++i) data.pixels.push_back(static_cast<std::uint8_t>(41 * i));
  for (const corruption kind : {corruption::impulse_noise, corruption::saturate}) {
    const corrupted_source read(data, kind, 3, seed{9}, {severity_scale::cifar, nullptr});
    CHECK(read.image() == data.image_shape);
    const image_batch b = read_batch(read, 0, 2);
    byte_image second = byte_image::of(8, 8, 1);
    std::copy_n(data.bytes(1), 64, second.pixels.begin());
    random_stream rng = corruption_stream(seed{9}, kind, 3, 1);
    const byte_image expected = corrupt(second, kind, 3, rng, {severity_scale::cifar, nullptr});
    CHECK(std::equal(expected.pixels.begin(), expected.pixels.end(), b.images.data() + 64,
                     [](std::uint8_t v, float x) { return x == static_cast<float>(v) / 255.0f; }));
  }
  CHECK_THROWS_WITH_AS(write_cifar_c(data, corruption::fog, folder.path(), seed{}, 1),
                       "grey: grey images; CIFAR-10-C's layout is of RGB", argument_error);
}

}  // namespace cifar_c_test
