// CIFAR files: content, damage, folders, the real CIFAR-10.
#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/cifar.hpp>

#include "files.hpp"

namespace cifar_test {

using namespace advprop;
using files::contains;
using files::thrown;

namespace {
// A record whose byte at plane c, position p is 100 c + p modulo 256.
void append_record(files::bytes& to, std::initializer_list<std::uint8_t> labels) {
  to.insert(to.end(), labels);
  for (int c = 0; c < 3; ++c)
    for (int p = 0; p < 1024; ++p) to.push_back(static_cast<std::uint8_t>(100 * c + p));
}
std::string parse_error(const files::bytes& bytes, cifar_format format) {
  return thrown<file_error>([&] {
    dataset d;
    parse_cifar(bytes, format, "x", d);
  });
}
}  // namespace

TEST_CASE("CIFAR planes become interleaved pixels") {
  files::bytes file;
  append_record(file, {3});
  append_record(file, {9});
  const files::folder f;
  for (const auto& path : {f.write("a", file), f.write("a.xz", files::xz(file)), f.write("a.gz", files::gzip(file))}) {
    const dataset d = read_cifar(path, cifar10_format);
    CHECK_NOTHROW(d.check());
    CHECK(d.size() == 2);
    CHECK(d.image() == shape{3, 32, 32});
    CHECK(d.labels == std::vector<int>{3, 9});
    bool equal = true;
    for (int i = 0; i < 2; ++i)
      for (int p = 0; p < 1024; ++p)
        for (int c = 0; c < 3; ++c) equal &= d.bytes(i)[3 * p + c] == static_cast<std::uint8_t>(100 * c + p);
    CHECK(equal);
  }
}

TEST_CASE("CIFAR-100 records give their fine label") {
  files::bytes file;
  append_record(file, {19, 99});
  dataset d;
  parse_cifar(file, cifar100_format, "x", d);
  CHECK(d.classes == 100);
  CHECK(d.labels == std::vector<int>{99});
  CHECK(d.bytes(0)[1] == 100);
}

TEST_CASE("damaged CIFAR records are errors that name the file and the image") {
  files::bytes file;
  append_record(file, {3});
  append_record(file, {10});
  CHECK(parse_error(file, cifar10_format) == "x: label 10 of image 1 is outside 0..9");
  file[3073] = 0;
  file.push_back(0);
  CHECK(parse_error(file, cifar10_format) ==
        "x: truncated or oversized: 6147 bytes are 2 records of 3073 bytes and 1 more");
  file.resize(6145);
  CHECK(contains(parse_error(file, cifar10_format), "truncated or oversized"));
  CHECK(parse_error({}, cifar10_format) == "x: truncated: no records");
  files::bytes hundred;
  append_record(hundred, {20, 5});
  CHECK(parse_error(hundred, cifar100_format) == "x: coarse label 20 of image 0 is outside 0..19");
  hundred[0] = 0;
  hundred[1] = 100;
  CHECK(parse_error(hundred, cifar100_format) == "x: label 100 of image 0 is outside 0..99");
}

TEST_CASE("CIFAR folders must hold the official number of images") {
  const files::folder f;
  CHECK(thrown<file_error>([&] { load_cifar10(f.path(), split::train); }) ==
        f.path() + ": has no data_batch_1.bin, plain, .gz or .xz");
  CHECK(contains(thrown<file_error>([&] { load_cifar100(f / "none", split::test); }), "looked for test.bin"));

  files::bytes record;
  append_record(record, {1, 2});
  const auto path = f.write("test.bin", record);
  CHECK(thrown<file_error>([&] { load_cifar100(f.path(), split::test); }) ==
        path + ": truncated or oversized: 3074 bytes instead of 30740000 (10000 records)");
  f.write("test_batch.bin.xz", files::xz(files::bytes(30'730'000 - 3073)));  // cut between two records
  CHECK(contains(thrown<file_error>([&] { load_cifar10(f.path(), split::test); }), "truncated or oversized"));
  f.write("test_batch.bin.xz", files::xz(files::bytes(30'730'000)));
  const dataset d = load_cifar10(f.path(), split::test);
  CHECK(d.size() == 10000);
  CHECK(d.class_names.size() == 10);
  CHECK(d.name == "CIFAR-10");

  std::filesystem::remove(path);
  f.write("test.bin.gz", files::gzip(files::bytes(30'740'000)));
  const dataset hundred = load_cifar100(f.path(), split::test);
  CHECK(hundred.size() == 10000);
  CHECK_NOTHROW(hundred.check());  // one name per class
  CHECK(std::is_sorted(hundred.class_names.begin(), hundred.class_names.end()));
}

TEST_CASE("a damaged file among several is the one that is named") {
  const files::folder f;
  for (int i = 1; i <= 5; ++i)
    f.write("data_batch_" + std::to_string(i) + ".bin.xz", {0xfd, '7', 'z', 'X', 'Z', 0, 1, 2});
  f.write("data_batch_1.bin.xz", files::xz(files::bytes(30'730'000)));
  CHECK(contains(thrown<file_error>([&] { load_cifar10(f.path(), split::train); }),
                 "data_batch_2.bin.xz: its xz data are"));
}

TEST_CASE("the real CIFAR-10 training set has its published counts, means and deviations") {
#ifdef ADVPROP_TEST_DATA
  const std::string folder = ADVPROP_TEST_DATA "/cifar-10-batches-bin";
  const dataset train = load_cifar10(folder, split::train);
  CHECK(train.size() == 50000);
  std::array<int, 10> histogram{};
  for (int label : train.labels) ++histogram[static_cast<std::size_t>(label)];
  for (int n : histogram) CHECK(n == 5000);
  const channel_statistics s = measure_statistics(train);
  const double mean[] = {0.4914, 0.4822, 0.4465}, deviation[] = {0.2470, 0.2435, 0.2616};
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(s.mean[c] == doctest::Approx(mean[c]).epsilon(0.0002));
    CHECK(s.deviation[c] == doctest::Approx(deviation[c]).epsilon(0.0003));
  }
#else
  MESSAGE("skipped: ADVPROP_TEST_DATA is not defined, no CIFAR-10");
#endif
}

}  // namespace cifar_test
