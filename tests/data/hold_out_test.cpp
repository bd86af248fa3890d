// Parts that are set aside: their size, their classes, and that nothing is in both.
#include <advprop/data/hold_out.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/dataset.hpp>
#include <advprop/data/image_folder.hpp>

#include "files.hpp"
#include "image_bytes.hpp"

namespace hold_out_test {

using namespace advprop;

namespace {

/// One pixel an image; image i has the value i.
dataset counted(const std::vector<int>& of_class) {
  dataset d;
  d.name = "counted";
  d.classes = static_cast<int>(of_class.size());
  d.image_shape = {1, 1, 1};
  for (int turn = 0; turn < *std::max_element(of_class.begin(), of_class.end()); ++turn)
    for (int c = 0; c < d.classes; ++c)
      if (turn < of_class[static_cast<std::size_t>(c)]) {
        d.pixels.push_back(static_cast<std::uint8_t>(d.labels.size()));
        d.labels.push_back(c);
      }
  d.check();
  return d;
}

std::vector<int> classes_of(const dataset& d) {
  std::vector<int> counts(static_cast<std::size_t>(d.classes));
  for (const int label : d.labels) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

}  // namespace

TEST_CASE("Every image is in one part, with its label and in its order, and classes keep their shares") {
  const dataset all = counted({100, 60, 40});
  const auto [training, validation] = hold_out(all, 50, seed{3});
  CHECK(classes_of(validation) == std::vector<int>{25, 15, 10});
  CHECK(classes_of(training) == std::vector<int>{75, 45, 30});
  std::set<int> seen;
  for (const dataset* part : {&training, &validation}) {
    CHECK(std::is_sorted(part->pixels.begin(), part->pixels.end()));
    for (int i = 0; i < part->size(); ++i) {
      CHECK(seen.insert(part->bytes(i)[0]).second);
      CHECK(part->label(i) == all.label(part->bytes(i)[0]));
    }
  }
  CHECK(seen.size() == 200);
}

TEST_CASE("What is set aside follows from the seed") {
  const dataset all = counted({100, 100});
  CHECK(hold_out(all, 20, seed{1}).validation.pixels == hold_out(all, 20, seed{1}).validation.pixels);
  CHECK(hold_out(all, 20, seed{1}).validation.pixels != hold_out(all, 20, seed{2}).validation.pixels);
  // Not the first ones, nor the same of each class.
  const auto some = hold_out(all, 20).validation;
  CHECK(some.pixels.back() > 100);
  std::vector<int> first, second;
  for (int i = 0; i < some.size(); ++i) (some.label(i) ? second : first).push_back(some.bytes(i)[0] / 2);
  CHECK(first != second);
}

TEST_CASE("Shares are rounded so that the sum is right, and a class keeps an image") {
  CHECK(classes_of(hold_out(counted({7, 7, 7}), 10).validation) == std::vector<int>{4, 3, 3});
  CHECK(classes_of(hold_out(counted({50, 5, 1}), 10).validation) == std::vector<int>{9, 1, 0});
  CHECK(classes_of(hold_out(counted({9, 0, 2}), 2).validation) == std::vector<int>{2, 0, 0});
  CHECK(classes_of(hold_out(counted({5, 5, 1}), 8).training) == std::vector<int>{1, 1, 1});
  CHECK_THROWS_WITH_AS(hold_out(counted({5, 5, 1}), 9),
                       "hold_out: 9 of 11 images; must be 1 or more, and leave one of "
                       "each of 3 classes",
                       argument_error);
  CHECK_THROWS_AS(hold_out(counted({5, 5}), 0), argument_error);
  for (const int label : {-1, 2}) {
    dataset d = counted({2, 2});
    d.labels[1] = static_cast<decltype(d.labels)::value_type>(label);
    CHECK_THROWS_WITH_AS(hold_out(d, 1), doctest::Contains("hold_out: image 1 is of class "), argument_error);
  }
}

TEST_CASE("Image folders are divided without being read") {
  const files::folder root;
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directories(std::filesystem::path(root.path()) / name);
    for (int i = 0; i < 4; ++i)
      root.write(std::string(name) + "/" + std::to_string(i) + ".png", image_bytes::png(byte_image::of(2, 2)));
  }
  const auto [training, validation] = hold_out(image_folder(root.path()), 2);
  CHECK(training.size() == 6);
  CHECK(validation.size() == 2);
  CHECK(validation.label(0) == 0);
  CHECK(validation.label(1) == 1);
  for (int i = 0; i < training.size(); ++i)
    for (int j = 0; j < validation.size(); ++j) CHECK(training.path(i) != validation.path(j));
}

}  // namespace hold_out_test
