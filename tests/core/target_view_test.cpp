#include <advprop/core/target_view.hpp>

#include <array>
#include <string>

#include <doctest/doctest.h>

namespace target_view_test {

using namespace advprop;

TEST_CASE("Labels are targets; soft ones keep their rows when sliced, and name their second class") {
  tensor<int, 1> labels({4});
  tensor<float, 2> shares({4, 3});
  const float rows[4][3] = {{0.25f, 0.75f, 0}, {1, 0, 0}, {0.2f, 0.2f, 0.6f}, {0.5f, 0.1f, 0.4f}};
  const int own[] = {1, 0, 2, 0}, second[] = {0, -1, 0, 2};
  for (int i = 0; i < 4; ++i) {
    labels(i) = own[i];
    for (int k = 0; k < 3; ++k) shares(i, k) = rows[i][k];
  }
  for (const target_view& t :
       {target_view(labels), target_view(labels.view()), target_view(const_label_view(labels))}) {
    CHECK((t.extent(0) == 4 && t(2) == 2 && t.soft.data() == nullptr));
    CHECK(t.second(0) == -1);
    CHECK(t.slice(1, 2).soft.data() == nullptr);
    CHECK(t.slice(1, 2)(1) == 2);
  }
  const target_view t{labels.view(), shares.view()};
  for (int i = 0; i < 4; ++i) CHECK(t.second(i) == second[i]);
  const target_view part = t.slice(2, 2);
  CHECK((part.extent(0) == 2 && part(0) == 2 && part.soft.extents() == std::array{2, 3} && part.soft(1, 2) == 0.4f));
  const const_label_view hard = t;
  CHECK(hard.data() == labels.data());
}

TEST_CASE("Targets that do not fit the batch are refused") {
  tensor<int, 1> labels({4});
  const tensor<float, 2> shares({4, 3});
  const target_view t{labels.view(), shares.view()};
  CHECK_NOTHROW(check_targets("here", t, 4, 3));
  CHECK_NOTHROW(check_targets("here", labels, 4, 7));
  CHECK_THROWS_WITH_AS(check_targets("here", labels, 5, 3), "here: 5 images but 4 labels", argument_error);
  CHECK_THROWS_WITH_AS(check_targets("here", t, 4, 2), "here: soft labels are 4 x 3, not 4 x 2", argument_error);
  const target_view few{labels.view(), shares.view().slice(0, 2)};
  CHECK_THROWS_WITH_AS(check_targets("here", few, 4, 3), "here: soft labels are 2 x 3, not 4 x 3", argument_error);
  for (int bad : {-1, 7}) {
    labels(2) = bad;
    const std::string text = "here: label " + std::to_string(bad) + " of image 2 is outside 0..6";
    CHECK_THROWS_WITH_AS(check_targets("here", labels, 4, 7), text.c_str(), argument_error);
    CHECK_NOTHROW(check_targets("here", labels, 4, 7, false));
  }
}

}  // namespace target_view_test
