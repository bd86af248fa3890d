// IDX files: content, damage, folders, the real Fashion-MNIST.
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/idx.hpp>

#include "files.hpp"

namespace idx_test {

#ifndef ADVPROP_FASHION_MNIST
#define ADVPROP_FASHION_MNIST "/usr/share/datasets/fashion-mnist"
#endif

using namespace advprop;
using files::contains;
using files::thrown;

namespace {
std::string parse_error(const files::bytes& bytes, int rank) {
  return thrown<file_error>([&] { parse_idx(bytes, rank, "x"); });
}
}  // namespace

TEST_CASE("an IDX file's extents and bytes are found where they lie") {
  const files::bytes file = files::idx({2, 1, 3}, {1, 2, 3, 4, 5, 6});
  const idx_array a = parse_idx(file, 3, "x");
  CHECK(a.extents == std::vector<int>{2, 1, 3});
  CHECK(a.values.data() == file.data() + 16);
  CHECK(a.values.size() == 6);
  CHECK(parse_idx(files::idx({0x01020}, files::bytes(0x01020)), 1, "x").extents == std::vector<int>{0x01020});
}

TEST_CASE("every truncation of an IDX file and every byte too many is an error") {
  files::bytes file = files::idx({2, 1, 3}, {1, 2, 3, 4, 5, 6});
  for (std::size_t n = 0; n < file.size(); ++n)
    CHECK(contains(parse_error({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(n)}, 3), "x: truncated"));
  file.push_back(0);
  CHECK(parse_error(file, 3) == "x: 1 bytes too many behind the 6 that its dimensions ask for");
}

TEST_CASE("a wrong IDX header is an error that says what is wrong") {
  const files::bytes good = files::idx({1, 1, 1}, {1});
  const auto with = [&](std::size_t at, std::uint8_t value) {
    files::bytes b = good;
    b[at] = value;
    return parse_error(b, 3);
  };
  CHECK(with(0, 1) == "x: is not an IDX file: it does not begin with two zero bytes");
  CHECK(with(1, 1) == "x: is not an IDX file: it does not begin with two zero bytes");
  CHECK(with(2, 13) == "x: IDX type 13 is not read, only 8 (unsigned bytes)");
  CHECK(with(3, 1) == "x: has 1 dimensions where 3 are expected");
  CHECK(with(3, 255) == "x: has 255 dimensions where 3 are expected");
  CHECK(with(7, 0) == "x: dimension 1 is 0");
  CHECK(with(12, 0x80) == "x: dimension 3 is 2147483649");
  CHECK(with(4, 0x70) == "x: truncated: 1 bytes of data where its dimensions ask for 1879048193");
  // 2^30 * 2^30 * 2^30 would wrap around to 0
  CHECK(parse_error(files::idx({1u << 30, 1u << 30, 1u << 30}, {}), 3) ==
        "x: its dimensions ask for more than 2^64 bytes");
  CHECK(contains(parse_error(files::idx({1u << 30, 1u << 30, 8}, {}), 3), "truncated: 0 bytes"));
}

TEST_CASE("an image and a label file make a data set, plain or compressed") {
  const files::folder f;
  const files::bytes images = files::idx({3, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255}),
                     labels = files::idx({3}, {9, 0, 4});
  f.write("train-images-idx3-ubyte", images);
  f.write("train-labels-idx1-ubyte", labels);
  f.write("t10k-images-idx3-ubyte.gz", files::gzip(images));
  f.write("t10k-labels.idx1-ubyte.xz", files::xz(labels));
  for (split part : {split::train, split::test}) {
    const dataset d = load_mnist(f.path(), part);
    CHECK(d.name == "MNIST");
    CHECK(d.size() == 3);
    CHECK(d.classes == 10);
    CHECK(d.class_names.size() == 10);
    CHECK(d.image() == shape{1, 2, 2});
    CHECK(d.labels == std::vector<int>{9, 0, 4});
    CHECK(d.pixels.size() == 12);
    CHECK(d.bytes(2)[3] == 255);
    CHECK(d.bytes(1)[0] == 4);
  }
  CHECK(load_fashion_mnist(f.path(), split::train).class_names[9] == "ankle boot");
}

TEST_CASE("images and labels that do not fit are an error that names the file") {
  const files::folder f;
  const auto two = f.write("two", files::idx({2, 1, 1}, {1, 2})),
             labels = f.write("labels", files::idx({3}, {1, 2, 3}));
  const auto three = f.write("three", files::idx({3, 1, 1}, {1, 2, 3}));
  CHECK_NOTHROW(read_idx(three, labels, 4));
  CHECK(thrown<file_error>([&] { read_idx(two, labels, 4); }) == two + ": 2 images, but " + labels + " has 3 labels");
  CHECK(thrown<file_error>([&] { read_idx(three, labels, 3); }) == labels + ": label 3 of image 2 is outside 0..2");
  CHECK(contains(thrown<file_error>([&] { read_idx(labels, three, 4); }), three + ": has 3 dimensions"));
  CHECK(contains(thrown<file_error>([&] { read_idx(f / "none", labels, 4); }), f / "none" + ": "));
}

TEST_CASE("a folder without the files is named") {
  const files::folder f;
  CHECK(thrown<file_error>([&] { load_mnist(f.path(), split::train); }) ==
        f.path() + ": has no train-images-idx3-ubyte or train-images.idx3-ubyte, plain, .gz or .xz");
  CHECK(contains(thrown<file_error>([&] { load_fashion_mnist(f / "none", split::test); }),
                 "no such folder; looked for t10k"));
}

TEST_CASE("the real Fashion-MNIST has its published counts, mean and deviation") {
  const std::string folder = ADVPROP_FASHION_MNIST;
  if (!std::ifstream(folder + "/train-images-idx3-ubyte.gz") && !std::ifstream(folder + "/train-images-idx3-ubyte")) {
    MESSAGE("skipped: no Fashion-MNIST in " << folder);
    return;
  }
  const dataset train = load_fashion_mnist(folder, split::train), test = load_fashion_mnist(folder, split::test);
  CHECK(train.size() == 60000);
  CHECK(test.size() == 10000);
  CHECK(train.image() == shape{1, 28, 28});
  for (const dataset* d : {&train, &test}) {
    std::array<int, 10> histogram{};
    for (int label : d->labels) ++histogram[static_cast<std::size_t>(label)];
    for (int n : histogram) CHECK(n == d->size() / 10);
  }
  const channel_statistics s = measure_statistics(train);
  CHECK(s.mean[0] == doctest::Approx(0.2860).epsilon(0.0002));
  CHECK(s.deviation[0] == doctest::Approx(0.3530).epsilon(0.0002));
}

}  // namespace idx_test
