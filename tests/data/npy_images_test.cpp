// Images in .npy files: CIFAR-10.1's layout, and files that do not fit.
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/cifar10_1.hpp>
#include <advprop/data/npy_images.hpp>

#include "files.hpp"

namespace npy_images_test {

using namespace advprop;
using files::bytes;

namespace {

bytes array(const std::string& header, const bytes& values) {
  bytes result(header.begin(), header.end());
  result.insert(result.end(), values.begin(), values.end());
  return result;
}
/// Labels as the published files have them: numbers of four bytes.
bytes wide_labels(const bytes& labels) {
  bytes values;
  for (const auto l : labels) values.insert(values.end(), {l, 0, 0, 0});
  std::string header = npy_header({static_cast<std::int64_t>(labels.size())});
  header.replace(header.find("|u1"), 3, "<i4");
  return array(header, values);
}
bytes counting(int count) {
  bytes values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), std::uint8_t{0});
  return values;
}

}  // namespace

TEST_CASE("CIFAR-10.1: its two files, its two versions") {
  const files::folder f;
  f.write("cifar10.1_v6_data.npy", array(npy_header({3, 2, 4, 3}), counting(72)));
  f.write("cifar10.1_v6_labels.npy", wide_labels({9, 0, 4}));
  const npy_images d = load_cifar10_1(f.path());
  CHECK(d.size() == 3);
  CHECK(d.classes == 10);
  CHECK(d.class_names[9] == "truck");
  CHECK(d.image() == shape{3, 2, 4});
  CHECK(d.label(0) == 9);
  const image_batch b = read_batch(d, 1, 2);
  CHECK(b.images(1, 1, 3, 2) == 71.0f / 255);
  CHECK(b.labels(1) == 4);
  const npy_images part = d.subset(1, 2).subset(1, 1);
  CHECK(part.size() == 1);
  CHECK(part.label(0) == 4);
  CHECK(part.bytes(0)[0] == 48);
  CHECK_THROWS_AS(d.subset(1, 3), argument_error);
  CHECK_THROWS_WITH_AS(load_cifar10_1(f.path(), "v5"), "CIFAR-10.1: version v5; must be v4 or v6", argument_error);
  CHECK(files::contains(files::thrown<file_error>([&] { load_cifar10_1(f.path(), "v4"); }),
                        f / "cifar10.1_v4_data.npy: cannot open"));
}

TEST_CASE("files that do not fit are named") {
  const files::folder f;
  const std::string images = f.write("images.npy", array(npy_header({2, 2, 2, 3}), counting(24)));
  const std::string labels = f.write("labels.npy", array(npy_header({2}), {1, 0}));
  CHECK(npy_images(images, labels, 2).label(0) == 1);
  const auto refusal = [](const std::string& a, const std::string& b) {
    return files::thrown<file_error>([&] { npy_images(a, b, 2); });
  };
  CHECK(refusal(labels, labels) == labels + ": shape (2) instead of (images, height, width, 3)");
  const std::string grey = f.write("grey.npy", array(npy_header({6, 2, 2, 1}), counting(24)));
  CHECK(refusal(grey, labels) == grey + ": shape (6, 2, 2, 1) instead of (images, height, width, 3)");
  const std::string none = f.write("none.npy", array(npy_header({0, 2, 2, 3}), {}));
  CHECK(refusal(none, labels) == none + ": shape (0, 2, 2, 3) instead of (images, height, width, 3)");
  const std::string wide = f.write("wide.npy", wide_labels({1, 0}));
  CHECK(npy_images(images, wide, 2).label(0) == 1);
  CHECK(refusal(wide, labels) == wide + ": type <i4 instead of |u1 (bytes)");
  CHECK(refusal(images, images) == images + ": shape (2, 2, 2, 3) instead of (2), the images of " + images);
  const std::string three = f.write("three.npy", array(npy_header({3}), {1, 0, 1}));
  CHECK(refusal(images, three) == three + ": shape (3) instead of (2), the images of " + images);
  const std::string high = f.write("high.npy", array(npy_header({2}), {1, 2}));
  CHECK(refusal(images, high) == high + ": label 2 of image 1 is outside 0..1");
}

}  // namespace npy_images_test
