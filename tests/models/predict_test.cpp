#include <advprop/models/predict.hpp>

#include <cmath>

#include "harness.hpp"

namespace predict_test {

using namespace harness;

namespace {

using two = small_model<domains<2>>;

}  // namespace

TEST_CASE("Logits of many images are those of one pass, whatever the batch") {
  cpu d(2);
  two m(d, seed{3});
  scramble(m);
  const auto x = images(23);
  const std::vector<float> whole = logits_of(m.forward(x, pass::evaluate(two::domains_type::auxiliary(0))));
  for (const int batch : {1, 7, 23, 250}) {
    const auto y = predict_logits(m, x.view(), {.through = two::domains_type::auxiliary(0), .batch = batch});
    CHECK(y.extents() == extents_of<2>{23, 4});
    CHECK(same_bits(y, whole));
  }
  CHECK_FALSE(same_bits(predict_logits(m, x.view()), whole));  // the main domain's
}

TEST_CASE("Probabilities are the softmax of the logits, and classes the largest") {
  cpu d(1);
  two m(d, seed{3});
  scramble(m);
  const auto x = images(9);
  const auto z = predict_logits(m, x.view(), {.batch = 4});
  const auto p = predict_probabilities(m, x.view(), {.batch = 4});
  const auto best = predict_classes(m, x.view(), {.batch = 4});
  CHECK(best.extent(0) == 9);
  for (int i = 0; i < 9; ++i) {
    double sum = 0;
    int top = 0;
    for (int k = 0; k < 4; ++k) {
      sum += std::exp(double(z(i, k)));
      if (z(i, k) > z(i, top)) top = k;
    }
    for (int k = 0; k < 4; ++k)
      CHECK(double(p(i, k)) == doctest::Approx(std::exp(double(z(i, k))) / sum).epsilon(1e-5));
    CHECK(best(i) == top);
  }
}

TEST_CASE("A dry run's network predicts nothing") {
  cpu dry(dry_run{});
  two net(dry);
  CHECK_THROWS_WITH_AS(predict_classes(net, harness::images(2)),
                       "predict: the network's device is for dry runs and computes nothing", argument_error);
}

TEST_CASE("No images have no predictions, and what cannot be asked is refused") {
  cpu d(1);
  two m(d);
  CHECK(predict_classes(m, images(0).view()).size() == 0);
  auto x = images(2);
  const auto colour = images(2, 8, 3);
  CHECK_THROWS_WITH_AS(predict_logits(m, x.view(), {.batch = 0}), "predict: batch is 0, must be 1 or more",
                       argument_error);
  CHECK_THROWS_WITH_AS(predict_logits(m, x.view(), {.through = three::auxiliary(1)}), "domain out of range: 2 of 2",
                       argument_error);
  CHECK_THROWS_AS(predict_probabilities(m, colour.view()), argument_error);
  for (const char* broken : {"fc.bias", "bn1.weight", "bn1.running_var"}) {
    two nan(d);
    for (const parameter& p : nan.table())
      if (p.name == broken) nan[p][0] = NAN;
    const char* const text =
        "predict: the logits of image 0 are not finite numbers: the network's weights or statistics are not either, or "
        "are too large";
    CHECK_THROWS_WITH_AS(predict_logits(nan, x.view()), text, numeric_error);
    CHECK_THROWS_WITH_AS(predict_probabilities(nan, x.view()), text, numeric_error);
    CHECK_THROWS_WITH_AS(predict_classes(nan, x.view()), text, numeric_error);
  }
  x(1, 2, 3, 0) = 255;
  CHECK_THROWS_WITH_AS(predict_classes(m, x.view()), "predict: value 255 in image 1 of the batch is outside [0, 1]",
                       argument_error);
}

}  // namespace predict_test
