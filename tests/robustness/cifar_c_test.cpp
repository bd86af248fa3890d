// Corrupted copies in CIFAR-10-C's layout.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/robustness/cifar_c.hpp>

#include "../data/files.hpp"

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

  CHECK_THROWS_AS(write_cifar_c(data, corruption::fog, folder.path() + "/none", seed{}, 1), file_error);
  CHECK_THROWS_AS(write_cifar_c(data, corruption::frost, folder.path(), seed{}, 1), argument_error);
  CHECK_FALSE(file_exists(folder.path() + "/frost.npy"));
}
