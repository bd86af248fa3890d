#include <advprop/robustness/scores.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/tensor.hpp>

namespace scores_test {

using namespace advprop;
using namespace advprop::robustness;

namespace {

// Accuracy of `Standard_R50` on ImageNet-C by corruption and severity: RobustBench, model_info/imagenet/corruptions/
// unaggregated_results.csv at 78fcc9e, in this library's order. Beside it stand mCE 76.38 and accuracy 39.48 %.
constexpr double resnet50[15][5] = {{0.6020, 0.4878, 0.3124, 0.1422, 0.0288}, {0.5828, 0.4486, 0.2856, 0.1026, 0.0352},
                                    {0.4854, 0.3862, 0.2904, 0.1130, 0.0244}, {0.5914, 0.5154, 0.3808, 0.2752, 0.1824},
                                    {0.5362, 0.3974, 0.1708, 0.1306, 0.1034}, {0.6360, 0.5342, 0.3754, 0.2158, 0.1452},
                                    {0.5258, 0.4302, 0.3560, 0.2844, 0.2194}, {0.5468, 0.3120, 0.3494, 0.2344, 0.1650},
                                    {0.6106, 0.4366, 0.3064, 0.2864, 0.2258}, {0.6092, 0.5600, 0.4674, 0.4024, 0.2360},
                                    {0.7360, 0.7222, 0.6958, 0.6496, 0.5886}, {0.6428, 0.5824, 0.4660, 0.2098, 0.0542},
                                    {0.6684, 0.4514, 0.5456, 0.4122, 0.1702}, {0.6380, 0.6434, 0.4598, 0.2930, 0.2088},
                                    {0.6644, 0.6234, 0.6004, 0.4786, 0.3254}};

corruption_scores errors_of(const double (&accuracies)[15][5]) {
  corruption_scores errors{};
  for (std::size_t c = 0; c < 15; ++c) {
    double e[5];
    for (std::size_t s = 0; s < 5; ++s) e[s] = 1 - accuracies[c][s];
    errors[c] = mean_error(e);
  }
  return errors;
}

}  // namespace

TEST_CASE("AlexNet's own errors give a mean corruption error and a relative one of exactly 100") {
  CHECK(mean_corruption_error(alexnet_errors) == doctest::Approx(100).epsilon(1e-14));
  CHECK(relative_mean_corruption_error(alexnet_errors, alexnet_clean_error) == doctest::Approx(100).epsilon(1e-14));
  for (const double c : corruption_errors(alexnet_errors)) CHECK(c == doctest::Approx(100).epsilon(1e-14));
  CHECK(mean_error(alexnet_errors) == doctest::Approx(0.78899).epsilon(1e-5));
  CHECK(mean_corruption_error({}) == 0);
}

TEST_CASE("ResNet-50's published errors by corruption and severity give its published mean corruption error") {
  const auto errors = errors_of(resnet50);
  CHECK(std::fabs(mean_corruption_error(errors) - 76.38) < 0.015);
  CHECK(std::fabs(100 * mean_error(errors) - 60.52) < 0.005);
  const auto each = corruption_errors(errors);
  CHECK(each[0] == doctest::Approx(100 * (1 - 1.5732 / 5) / 0.886428));
  CHECK(each[14] == doctest::Approx(100 * (1 - 2.6922 / 5) / 0.6065));
}

TEST_CASE("The relative error counts what is lost against clean images, and only that") {
  corruption_scores lost;
  lost.fill(0.25);
  CHECK(relative_mean_corruption_error(lost, 0.25) == 0);
  CHECK(relative_mean_corruption_error(lost, 0.3) < 0);
  corruption_scores twice;
  for (std::size_t c = 0; c < 15; ++c) twice[c] = 0.02 + 2 * (alexnet_errors[c] - alexnet_clean_error);
  twice[2] = 0.02 + 2 * (alexnet_errors[2] - alexnet_clean_error);
  CHECK(relative_mean_corruption_error(twice, 0.02) == doctest::Approx(200));
}

TEST_CASE("Calibration error: bins by confidence, weighted by their images, the last one with the rest") {
  // Sorted: 0.1 0.2 | 0.6 0.8 1.0, which are wrong, right | right, right, wrong.
  const std::vector<float> confidence = {0.6f, 0.1f, 1.0f, 0.2f, 0.8f};
  const std::vector<char> correct = {1, 0, 0, 1, 1};
  const double low = std::fabs(0.15 - 0.5), high = std::fabs(0.8 - 2.0 / 3);
  CHECK(calibration_error(confidence, correct, calibration::l1, 2) == doctest::Approx(0.4 * low + 0.6 * high));
  CHECK(calibration_error(confidence, correct, calibration::rms, 2) ==
        doctest::Approx(std::sqrt(0.4 * low * low + 0.6 * high * high)));
  // Fewer images than a bin: one bin.
  CHECK(calibration_error(confidence, correct, calibration::l1) == doctest::Approx(0.6 - 0.54));
  // A network that is right as often as it says.
  std::vector<float> sure(1000, 0.75f);
  std::vector<char> right(1000);
  for (std::size_t i = 0; i < 1000; ++i) right[i] = i % 4 != 0;
  CHECK(calibration_error(sure, right, calibration::rms) == doctest::Approx(0));
}

TEST_CASE("top_k counts among all classes, or among those of a subset, by the label's place in it") {
  tensor<float, 2> z({3, 5});
  const float values[3][5] = {{9, 1, 5, 2, 3}, {0, 4, 4, 1, 2}, {1, 2, 3, 4, NAN}};
  for (int i = 0; i < 3; ++i) std::copy_n(values[i], 5, z.data() + i * 5);
  tensor<int, 1> y({3});
  y(0) = 2, y(1) = 2, y(2) = 3;
  CHECK(top_k(z, y.view(), 1) == 0);  // a tie counts for the lower class, a NaN is a miss
  CHECK(top_k(z, y.view(), 2) == doctest::Approx(2 / 3.0));
  const std::vector<int> subset = {3, 1, 2, 4};
  y(0) = 2, y(1) = 2, y(2) = 0;
  CHECK(top_k(z, y.view(), 1, subset) == doctest::Approx(1 / 3.0));
  CHECK(top_k(z.view().slice(0, 1), y.view().slice(0, 1), 1, subset) == 1);
}

TEST_CASE("Shape bias is the share of shape among the decisions for a cue") {
  const cue_decision decisions[] = {{0, 1, 0}, {0, 1, 1}, {2, 1, 2}, {2, 3, 2}, {1, 1, 1}, {0, 1, 4}};
  CHECK(shape_bias(decisions) == 0.75);
  CHECK_THROWS_WITH_AS(shape_bias({}), "shape_bias: no picture was decided for its shape or its texture",
                       argument_error);
}

TEST_CASE("Scores refuse what is not a fraction and arrays that do not fit") {
  corruption_scores per_cent = alexnet_errors;
  per_cent[3] = 82;
  CHECK_THROWS_WITH_AS(mean_corruption_error(per_cent), "corruption_errors: 82 is not a fraction in [0, 1]",
                       argument_error);
  CHECK_THROWS_AS(relative_mean_corruption_error(alexnet_errors, NAN), argument_error);
  CHECK_THROWS_AS(mean_error({}), argument_error);
  const std::vector<float> one = {0.5f};
  CHECK_THROWS_AS(calibration_error(one, {}, calibration::l1), argument_error);
  CHECK_THROWS_AS(calibration_error(one, std::vector<char>{1}, calibration::l1, 0), argument_error);
  CHECK_THROWS_AS(calibration_error(std::vector<float>{1.5f}, std::vector<char>{1}, calibration::l1), argument_error);
  tensor<float, 2> z({1, 3});
  tensor<int, 1> y({1});
  CHECK_THROWS_AS(top_k(z, y.view(), 0), argument_error);
  CHECK_THROWS_WITH_AS(top_k(z, y.view(), 1, std::vector<int>{0, 3}), "top_k: class 3 of the subset is outside 0..2",
                       argument_error);
  y(0) = 2;
  CHECK_THROWS_AS(top_k(z, y.view(), 1, std::vector<int>{0, 1}), argument_error);
}

}  // namespace scores_test
