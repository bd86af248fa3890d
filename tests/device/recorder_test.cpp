#include <advprop/device/recorder.hpp>

#include <vector>

#include <doctest/doctest.h>

#include <advprop/ops/recorder.hpp>

#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>

namespace recorder_test {

using namespace advprop;
using operation = recorder::operation;

namespace {

std::vector<operation> operations(const recorder& r) {
  std::vector<operation> all;
  for (const auto& s : r.steps()) all.push_back(s.what);
  return all;
}

}  // namespace

TEST_CASE("An operation that writes over its input makes a new value at the same address") {
  recorder r;
  feature_map<recorder> x(r, 1, {3, 4, 4}), y(r, 1, {3, 4, 4});
  const float numbers[3] = {1, 2, 3};
  normalize_forward(r, const_image_view(nullptr, {1, 4, 4, 3}), numbers, numbers, x);
  memory_copy(r, x, y);  // no step: another name
  activation_forward(r, activation::relu, x, x);
  bias_forward(r, numbers, x);
  add(r, y, x);
  REQUIRE(operations(r) == std::vector{operation::normalize, operation::relu, operation::bias, operation::add});
  const auto& s = r.steps();
  CHECK((s[0].x == 0 && s[0].y == 1 && s[1].x == 1 && s[1].y == 2 && s[2].x == 2 && s[2].y == 3));
  CHECK((s[3].x == 3 && s[3].other == 1 && s[3].y == 4));
  CHECK((r.value_at(x.view().data) == 4 && r.value_at(y.view().data) == 1));
  CHECK(s[0].constants[1] == std::vector<float>{1, 2, 3});
  CHECK(s[2].numbers[0] == numbers);
  CHECK(s[1].out == shape{3, 4, 4});
  feature_map<recorder> nothing(r, 1, {3, 4, 4});
  CHECK_THROWS_WITH_AS(activation_forward(r, activation::relu, nothing, x),
                       "recorder: an operation reads a feature map that nothing has written", error);
}

TEST_CASE("A batch norm with an add and an activation is three steps, and fewer without") {
  recorder r;
  feature_map<recorder> x(r, 1, {1, 2, 2}), a(r, 1, {1, 2, 2});
  const float one[1] = {1};
  normalize_forward(r, const_image_view(nullptr, {1, 2, 2, 1}), one, one, x);
  normalize_forward(r, const_image_view(nullptr, {1, 2, 2, 1}), one, one, a);
  norm_forward(r, activation::silu, x, norm_parameters{one, one, one, one, 0.5f}, a, x);
  norm_forward(r, activation::identity, x, norm_parameters{one, one, one, one}, feature_view<const recorder::element>(),
               x);
  CHECK(operations(r) == std::vector{operation::normalize, operation::normalize, operation::norm, operation::add,
                                     operation::silu, operation::norm});
  CHECK((r.steps()[2].epsilon == 0.5f && r.steps()[3].other == 2));
}

TEST_CASE("A network is recorded without memory for its feature maps, in evaluation only") {
  recorder r;
  model<resnet20<10>, domains<2>, recorder> m(r);
  const const_image_view images(nullptr, {1, 1024, 1024, 3});
  const std::size_t before = r.memory().in_use();
  r.memory().reset_peak();
  const auto y = m.forward(images, pass::evaluate(domains<2>::auxiliary(0)));
  CHECK(y.image() == shape{10, 1, 1});
  CHECK(r.memory().peak() - before < 4096);
  CHECK(r.steps().size() == 1 + 19 * 3 + 9 + 2 + 2);
  CHECK(r.steps().back().y == r.value_at(y.view().data));
  CHECK_THROWS_WITH_AS(m.forward(images, pass::train(main_domain)),
                       "recorder: records evaluation passes, not batch statistics", argument_error);
}

}  // namespace recorder_test
