// Data sets in memory: checks, subsets, the user's arrays, channel statistics.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/dataset.hpp>

namespace dataset_test {

using namespace advprop;

namespace {
// Image i of 2x3x2 (height, width, channels) has the bytes 12 i, 12 i + 1, ...
std::vector<std::uint8_t> counting(int images) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(12 * images));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return bytes;
}
dataset small(std::vector<int> labels, int classes) {
  const auto bytes = counting(static_cast<int>(labels.size()));
  const int count = static_cast<int>(labels.size());
  return dataset({bytes.data(), {count, 2, 3, 2}}, {labels.data(), {count}}, classes, "small");
}
}  // namespace

namespace {
struct counted_by_size_t {
  int classes = 1;
  std::size_t size() const { return 1; }
  shape image() const { return {1, 1, 1}; }
  int label(int) const { return 0; }
  void read(int, float*) const {}
};
}  // namespace
static_assert(!source<counted_by_size_t>);  // its comparisons with an int would be unsigned

TEST_CASE("a data set gives each image as floats of 255ths, with its label") {
  const dataset d = small({2, 0, 1}, 3);
  CHECK(d.size() == 3);
  CHECK(d.image() == shape{2, 2, 3});
  CHECK(d.label(0) == 2);
  CHECK(d.label(2) == 1);
  std::vector<float> out(12);
  d.read(1, out.data());
  for (int i = 0; i < 12; ++i) CHECK(out[static_cast<std::size_t>(i)] == static_cast<float>(12 + i) / 255.0f);
}

TEST_CASE("a label out of range is named with its index") {
  CHECK_THROWS_WITH_AS(small({0, 1, 3, 0}, 3), "small: label 3 of image 2 is outside 0..2", argument_error);
  CHECK_THROWS_WITH_AS(small({0, -1}, 3), "small: label -1 of image 1 is outside 0..2", argument_error);
  CHECK_THROWS_WITH_AS(small({0}, 0), "small: 0 classes; must be 1 or more", argument_error);
}

TEST_CASE("a data set whose parts do not fit is refused") {
  dataset d = small({0, 1}, 2);
  d.pixels.pop_back();
  CHECK_THROWS_WITH_AS(d.check(), "small: 23 pixel values do not make 2 images of 2x3x2", argument_error);
  d = small({0, 1}, 2);
  d.labels.push_back(0);
  CHECK_THROWS_AS(d.check(), argument_error);
  d = small({0, 1}, 2);
  d.class_names = {"only one"};
  CHECK_THROWS_WITH_AS(d.check(), "small: 1 class names for 2 classes", argument_error);
  d.class_names = {"one", "two"};
  CHECK_NOTHROW(d.check());
  d.labels.clear();
  d.pixels.clear();
  CHECK_THROWS_WITH_AS(d.check(), "small: no images", argument_error);
}

TEST_CASE("pixels that are not there are not read") {
  dataset d = small({0, 1, 1}, 2);
  d.pixels.resize(d.pixels.size() - 1);
  float out[12];
  CHECK_NOTHROW(d.read(1, out));
  CHECK_THROWS_WITH_AS(d.read(2, out), "small: there is no image 2 in 35 pixel values", argument_error);
  CHECK_THROWS_AS(d.read(-1, out), argument_error);
  CHECK_THROWS_AS(read_batch(d, 1, 2), argument_error);
}

TEST_CASE("a subset holds the images asked for and keeps the classes") {
  dataset d = small({0, 1, 2, 1}, 3);
  d.class_names = {"a", "b", "c"};
  const dataset s = d.subset(1, 2);
  CHECK(s.size() == 2);
  CHECK(s.classes == 3);
  CHECK(s.class_names == d.class_names);
  CHECK(s.labels == std::vector<int>{1, 2});
  CHECK(s.pixels.size() == 24);
  CHECK(s.pixels.front() == 12);
  CHECK(s.pixels.back() == 35);
  CHECK(d.take(1).labels == std::vector<int>{0});
  CHECK(d.take(4).pixels == d.pixels);
  for (auto [first, count] : {std::pair{0, 5}, {-1, 2}, {3, 2}, {0, 0}, {2, std::numeric_limits<int>::max()}})
    CHECK_THROWS_AS(static_cast<void>(d.subset(first, count)), argument_error);
  const dataset chosen = d.subset({3, 0, 3});
  CHECK(chosen.labels == std::vector<int>{1, 0, 1});
  CHECK(chosen.class_names == d.class_names);
  CHECK(chosen.bytes(0)[0] == 36);
  CHECK(chosen.bytes(1)[11] == 11);
  CHECK(chosen.pixels.size() == 36);
  CHECK_NOTHROW(chosen.check());
  for (const std::vector<int>& bad : {std::vector<int>{}, {4}, {-1}})
    CHECK_THROWS_AS(static_cast<void>(d.subset(bad)), argument_error);
}

TEST_CASE("an array source reads the user's own floats and bytes in place") {
  const std::vector<float> values = {0, 0.25f, 0.5f, 1, 0.75f, 0.125f};
  const std::vector<int> labels = {1, 0};
  const array_source<float> floats({values.data(), {2, 1, 3, 1}}, {labels.data(), {2}}, 2);
  CHECK(floats.images.data() == values.data());
  CHECK(floats.labels.data() == labels.data());
  CHECK(floats.image() == shape{1, 1, 3});
  float out[3];
  floats.read(1, out);
  CHECK(out[0] == 1);
  CHECK(out[2] == 0.125f);

  std::vector<std::uint8_t> bytes = {0, 51, 255, 102};
  const array_source s(view<std::uint8_t, 4>(bytes.data(), {2, 2, 1, 1}), {labels.data(), {2}}, 2);
  s.read(1, out);
  CHECK(out[0] == 1);
  CHECK(out[1] == 102.0f / 255.0f);
}

TEST_CASE("an array source refuses values outside [0, 1], wrong counts and wrong labels") {
  std::vector<float> values = {0, 1, 0, 1};
  std::vector<int> labels = {0, 1};
  const auto make = [&](int images, int classes) {
    return array_source<float>({values.data(), {images, 1, 4 / images, 1}}, {labels.data(), {2}}, classes);
  };
  CHECK_NOTHROW(make(2, 2));
  CHECK_THROWS_WITH_AS(make(4, 2), "array_source: 4 images but 2 labels", argument_error);
  CHECK_THROWS_WITH_AS(make(2, 1), "array_source: label 1 of image 1 is outside 0..0", argument_error);
  values[2] = 128;
  CHECK_THROWS_WITH_AS(make(2, 2), "array_source: value 128 in image 1 is outside [0, 1]", argument_error);
  for (float bad : {-0.01f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    values[2] = bad;
    CHECK_THROWS_AS(make(2, 2), argument_error);
  }
}

TEST_CASE("read_batch gives consecutive images as they are") {
  const dataset d = small({0, 1, 2}, 3);
  const image_batch b = read_batch(d, 1, 2);
  CHECK(b.size() == 2);
  CHECK(b.images.extents() == std::array<int, 4>{2, 2, 3, 2});
  CHECK(b.labels(1) == 2);
  CHECK(b.images(1, 1, 2, 1) == 35.0f / 255.0f);
  CHECK_THROWS_AS(read_batch(d, 2, 2), argument_error);
}

TEST_CASE("channel statistics are those of all pixels of a channel") {
  // channel 0: 0, 1, 0.5, 0.5; channel 1: always 0.2
  const std::vector<float> values = {0, 0.2f, 1, 0.2f, 0.5f, 0.2f, 0.5f, 0.2f};
  const std::vector<int> labels = {0, 0};
  const auto s = measure_statistics(array_source<float>({values.data(), {2, 1, 2, 2}}, {labels.data(), {2}}, 1));
  CHECK(s.mean.size() == 2);
  CHECK(s.mean[0] == doctest::Approx(0.5));
  CHECK(s.deviation[0] == doctest::Approx(std::sqrt(0.125)));
  CHECK(s.mean[1] == doctest::Approx(0.2));
  CHECK(s.deviation[1] == doctest::Approx(0).epsilon(1e-4));
  CHECK_THROWS_WITH_AS(measure_statistics(dataset()), "measure_statistics: there are no images", argument_error);
}

namespace {
template <class Count>
struct blank {
  Count classes{};
  int size() const { return 1; }
  shape image() const { return {1, 1, 1}; }
  int label(int) const { return 0; }
  void read(int, float*) const {}
};
static_assert(source<blank<int>> && source<blank<std::uint8_t>>);
static_assert(!source<blank<std::size_t>> && !source<blank<float>>);  // no int without narrowing
}  // namespace

}  // namespace dataset_test
