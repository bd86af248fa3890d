// Means, intervals and tests against published and scipy's numbers.
#include <advprop/core/uncertainty.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

namespace uncertainty_test {

using namespace advprop;
using doctest::Approx;

TEST_CASE("Mean, sample deviation and standard error") {
  const std::vector<double> values = {2, 4, 4, 4, 5, 5, 7, 9};
  const sample_statistics s = statistics_of(values);
  CHECK(s.count == 8);
  CHECK(s.mean == Approx(5));
  CHECK(s.deviation == Approx(std::sqrt(32.0 / 7)));
  CHECK(s.standard_error() == Approx(std::sqrt(32.0 / 7 / 8)));
  CHECK(statistics_of(std::vector<double>{3}).deviation == 0);
  CHECK_THROWS_AS(statistics_of(std::vector<double>{}), argument_error);
}

TEST_CASE("Student's t: the tables' quantiles, of odd and even degrees") {
  // Two-sided 5 % and 1 %.
  CHECK(student_p_value(12.7062047, 1) == Approx(0.05).epsilon(1e-6));
  CHECK(student_p_value(4.30265273, 2) == Approx(0.05).epsilon(1e-6));
  CHECK(student_p_value(3.18244631, 3) == Approx(0.05).epsilon(1e-6));
  CHECK(student_p_value(-2.77644511, 4) == Approx(0.05).epsilon(1e-6));
  CHECK(student_p_value(3.24983554, 9) == Approx(0.01).epsilon(1e-6));
  CHECK(student_p_value(2.75, 30) == Approx(0.00999956).epsilon(1e-4));
  CHECK(student_p_value(0, 5) == Approx(1));
  CHECK(student_p_value(std::numeric_limits<double>::infinity(), 2) == Approx(0));
  CHECK_THROWS_AS(student_p_value(1, 0), argument_error);
}

TEST_CASE("Pairs: what differs by pair is noise, what all pairs share is not") {
  const std::vector<double> first = {0.80, 0.84, 0.90}, second = {0.81, 0.86, 0.91};
  const auto d = compare_pairs(first, second);
  CHECK(d.difference.mean == Approx(0.04 / 3));
  CHECK(d.difference.standard_error() == Approx(0.01 / 3));
  CHECK(d.p_value == Approx(0.0571910));  // t = 4, 2 degrees of freedom
  CHECK(d.within_noise());
  // The same means, unpaired by their order.
  const auto shuffled = compare_pairs(first, std::vector<double>{0.91, 0.81, 0.86});
  CHECK(shuffled.difference.mean == Approx(0.04 / 3));
  CHECK(shuffled.p_value > 0.7);
  const auto clear = compare_pairs(first, std::vector<double>{0.8501, 0.8902, 0.9503});
  CHECK(!clear.within_noise());
  CHECK(compare_pairs(first, first).p_value == 1);
  CHECK(compare_pairs(std::vector<double>{0.81, 0.83, 0.9}, std::vector<double>{0.82, 0.84, 0.91}).p_value == 1);
  CHECK(compare_pairs(std::vector<double>{1, 2}, std::vector<double>{2, 3.001}).p_value < 0.001);
  CHECK_THROWS_AS(compare_pairs(first, std::vector<double>{1, 2}), argument_error);
  CHECK_THROWS_AS(compare_pairs(std::vector<double>{1}, std::vector<double>{2}), argument_error);
  CHECK_THROWS_WITH_AS(compare_pairs(first, std::vector<double>{0.9, NAN, 0.8}),
                       "compare_pairs: a measurement is not a finite number", argument_error);
}

TEST_CASE("Wilson's interval") {
  // Newcombe 1998, table I, method 3.
  const auto check = [](int successes, int trials, double low, double high) {
    const auto i = wilson_interval(static_cast<double>(successes) / trials, trials);
    CHECK(i.low == Approx(low).epsilon(1e-3));
    CHECK(i.high == Approx(high).epsilon(1e-3));
  };
  check(81, 263, 0.2553, 0.3662);
  check(15, 148, 0.0624, 0.1605);
  check(1, 29, 0.0061, 0.1718);
  check(0, 20, 0, 0.1611);
  check(29, 29, 0.8830, 1);
  CHECK(wilson_interval(0, 20).low == 0);
  CHECK(wilson_interval(1, 29).high == 1);
  CHECK_THROWS_AS(wilson_interval(1.1, 10), argument_error);
  CHECK_THROWS_AS(wilson_interval(0.5, 0), argument_error);
}

}  // namespace uncertainty_test
