// Cue-conflict pictures: their names, and a decision for one of 16 classes.
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/robustness/cue_conflict.hpp>

#include "../data/files.hpp"
#include "../data/image_bytes.hpp"

namespace cue_conflict_test {

using namespace advprop;
using namespace advprop::robustness;

TEST_CASE("16 classes of 207 of ImageNet's") {
  const cue_classes c = cue_classes::imagenet();
  REQUIRE(c.names.size() == 16);
  CHECK(std::is_sorted(c.names.begin(), c.names.end()));
  std::vector<int> all;
  for (const auto& logits : c.logits) all.insert(all.end(), logits.begin(), logits.end());
  CHECK(all.size() == 207);
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  CHECK(c.logits[0] == std::vector<int>{404});
  CHECK(c.logits[3].size() == 49);
  CHECK(c.logits[10].size() == 109);
}

TEST_CASE("the class with the largest mean probability is decided for") {
  const cue_classes c{{"one", "many"}, {{0}, {1, 2, 3}}};
  const auto decide = [&](float p0, float p1, float p2, float p3) {
    return c.decide(std::vector<float>{std::log(p0), std::log(p1), std::log(p2), std::log(p3)});
  };
  CHECK(decide(0.2f, 0.4f, 0.1f, 0.05f) == 0);  // many has the largest class, and a sum of 0.55, but a mean of 0.183
  CHECK(decide(0.2f, 0.5f, 0.1f, 0.05f) == 1);
  CHECK(c.decide(std::vector<float>{900, 900, 900, 900}) == 0);
  CHECK(cue_classes::of({"a", "b", "c"}).decide(std::vector<float>{1, 3, 2}) == 1);
}

TEST_CASE("shape and texture come from a picture's name") {
  const auto names = cue_classes::imagenet().names;
  const cue_decision d = cues_of("stimuli/cat/cat7-truck13.png", names);
  CHECK(names[static_cast<std::size_t>(d.shape)] == "cat");
  CHECK(names[static_cast<std::size_t>(d.texture)] == "truck");
  CHECK(d.decided == -1);
  const auto refusal = [&](const std::string& path) {
    return files::thrown<file_error>([&] { cues_of(path, names); });
  };
  CHECK(refusal("x/cat7.png") == "x/cat7.png: names no shape and texture, as in cat7-truck3.png");
  CHECK(refusal("x/cow7-cat1.png") == "x/cow7-cat1.png: 'cow7' is not a class and number, as in cat7-truck3.png");
  CHECK(refusal("cat-truck3.png") == "cat-truck3.png: 'cat' is not a class and number, as in cat7-truck3.png");
  CHECK(refusal("cat7-33.png") == "cat7-33.png: '33' is not a class and number, as in cat7-truck3.png");
  CHECK(refusal("cat7-.png") == "cat7-.png: '' is not a class and number, as in cat7-truck3.png");

  const files::folder root;
  for (const char* name : {"cat/cat1-dog2.png", "cat/cat2-cat3.png", "dog/dog1-car1.png"}) {
    std::filesystem::create_directories(std::filesystem::path(root / name).parent_path());
    root.write(name, image_bytes::png(byte_image::of(4, 4)));
  }
  std::vector<cue_decision> cues = cues_of(image_folder(root.path()), names);
  REQUIRE(cues.size() == 3);
  for (auto& cue : cues) cue.decided = cue.shape;
  CHECK(shape_bias(cues) == 1);
  cues[2].decided = cues[2].texture;
  CHECK(shape_bias(cues) == 0.5);
}

}  // namespace cue_conflict_test
