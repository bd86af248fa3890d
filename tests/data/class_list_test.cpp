// Lists of classes, and which of them a subset keeps.
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/tensor.hpp>
#include <advprop/data/class_list.hpp>
#include <advprop/robustness/scores.hpp>

#include "files.hpp"

namespace class_list_test {

using namespace advprop;

namespace {
std::string write(const files::folder& f, const std::string& text) {
  return f.write("classes.txt", files::bytes(text.begin(), text.end()));
}
using names = std::vector<std::string>;
}  // namespace

TEST_CASE("a class a line: its name, or the WordNet id that it begins with") {
  const files::folder f;
  CHECK(read_class_list(write(f, "ankle boot\npolar bear\r\n \tT-shirt/top\t \r\ntench, Tinca tinca\n\n\n")) ==
        names{"ankle boot", "polar bear", "T-shirt/top", "tench, Tinca tinca"});
  CHECK(read_class_list(write(f, "n01440764 tench, Tinca tinca\nn01443537\r\n n01484850\tx\nn01491361, shark\n")) ==
        names{"n01440764", "n01443537", "n01484850", "n01491361"});
  // These only look like ids.
  const names others = {"n0144076 x", "n014407641 x", "n0144076x y", "N01440764 x", "n02085620-Chihuahua", "n"};
  std::string lines;
  for (const auto& name : others) lines += name + "\n";
  CHECK(read_class_list(write(f, lines)) == others);
  CHECK(read_class_list(write(f, "a")) == names{"a"});
  const auto refusal = [&](const std::string& text) {
    const std::string path = write(f, text);
    return files::thrown<file_error>([&] { read_class_list(path); }).substr(path.size());
  };
  CHECK(refusal("") == ": has no classes");
  CHECK(refusal("a\n\nb\n") == ": line 2 is empty");
  CHECK(read_class_list(write(f, "a x\nb\na y\n")) == names{"a x", "b", "a y"});
  CHECK(refusal("a x\nb\n a x\r\n") == ": has the class a x twice");
  CHECK(refusal("n01440764 x\nn01440764 y\n") == ": has the class n01440764 twice");
  CHECK_THROWS_AS(read_class_list(f / "none"), file_error);
}

TEST_CASE("a subset of folders among the network's classes: only their logits compete") {
  const names all = {"n1", "n2", "n3", "n4"};
  const std::vector<int> subset = logits_of({"n2", "n4"}, all, "ImageNet-A");
  CHECK(subset == std::vector<int>{1, 3});
  CHECK_THROWS_WITH_AS(logits_of({"n2", "n9"}, all, "ImageNet-A"),
                       "ImageNet-A: the class n9 is not among the network's 4 classes", argument_error);
  tensor<float, 2> z({1, 4});
  z(0, 0) = 9, z(0, 1) = 1, z(0, 2) = 7, z(0, 3) = 2;
  tensor<int, 1> second({1});
  second(0) = 1;
  CHECK(robustness::top_k(z.view(), std::as_const(second).view(), 1, subset) == 1);
}

}  // namespace class_list_test
