#include <advprop/training/schedule.hpp>

#include <cmath>

#include <doctest/doctest.h>

namespace schedule_test {

using namespace advprop;

TEST_CASE("Constant and step schedules") {
  CHECK(schedule::constant().factor(0, 10) == 1);
  CHECK(schedule::constant().factor(9.99, 10) == 1);
  const auto s = schedule::step({3, 7}, 0.2);
  CHECK(s.factor(2.999, 10) == 1);
  CHECK(s.factor(3, 10) == doctest::Approx(0.2));
  CHECK(s.factor(7.5, 10) == doctest::Approx(0.04));
}

TEST_CASE("A cosine falls from 1 to its end, after a linear warm-up from 0") {
  const auto plain = schedule::cosine();
  CHECK(plain.factor(0, 10) == 1);
  CHECK(plain.factor(5, 10) == doctest::Approx(0.5));
  CHECK(plain.factor(2.5, 10) == doctest::Approx(0.5 * (1 + std::cos(3.14159265358979 / 4))));
  CHECK(plain.factor(10, 10) == doctest::Approx(0).epsilon(1e-12));
  const auto warm = schedule::cosine(0.1).warmed_up(2);
  CHECK(warm.factor(0, 10) == 0);
  CHECK(warm.factor(0.5, 10) == 0.25);
  CHECK(warm.factor(2, 10) == 1);
  CHECK(warm.factor(6, 10) == doctest::Approx(0.55));
  CHECK(warm.factor(10, 10) == doctest::Approx(0.1));
  CHECK(warm.factor(12, 10) == doctest::Approx(0.1));
}

TEST_CASE("A warm-up goes before every kind") {
  auto s = schedule::step({3});
  s.warm_up = 4;
  CHECK(s.factor(1, 10) == 0.25);
  CHECK(s.factor(4, 10) == doctest::Approx(0.1));
  s = schedule::constant();
  s.warm_up = 20;
  CHECK(s.factor(5, 10) == 0.25);
  s = schedule::cosine().warmed_up(20);
  CHECK(s.factor(10, 10) == 0.5);
}

TEST_CASE("Exponential schedules count their epochs from the start of training, warm-up and all") {
  const auto smooth = schedule::exponential(0.5, 2);
  CHECK(smooth.factor(0, 10) == 1);
  CHECK(smooth.factor(1, 10) == doctest::Approx(std::sqrt(0.5)));
  CHECK(smooth.factor(4, 10) == doctest::Approx(0.25));
  const auto stairs = schedule::staircase(0.5, 2).warmed_up(3);
  CHECK(stairs.factor(1.5, 10) == 0.5);
  CHECK(stairs.factor(2.7, 10) == doctest::Approx(0.9));
  CHECK(stairs.factor(3, 10) == 0.5);
  CHECK(stairs.factor(3.99, 10) == 0.5);
  CHECK(stairs.factor(4, 10) == 0.25);
  const auto paper = schedule::staircase().warmed_up(5);
  CHECK(paper.factor(2.5, 350) == 0.5);
  CHECK(paper.factor(5, 350) == doctest::Approx(std::pow(0.97, 2)));
  CHECK(paper.factor(349.9, 350) == doctest::Approx(std::pow(0.97, 145)));
}

TEST_CASE("A stair begins at its step, although a quotient rounds below it") {
  const double epoch = 0 + 3 / 10.0;
  REQUIRE(epoch / 0.1 < 3);
  CHECK(schedule::staircase(0.5, 0.1).factor(epoch, 1) == 0.125);
}

TEST_CASE("Rates are in proportion to the batch") {
  CHECK(scaled_rate(0.016f, 4096) == doctest::Approx(0.256));
  CHECK(scaled_rate(0.1f, 64) == doctest::Approx(0.025));
  CHECK(scaled_rate(0.1f, 64, 128) == doctest::Approx(0.05));
}

TEST_CASE("Numbers that make no sense are refused by name, and every number is in the description") {
  const auto refused = [](auto change, const char* text) {
    schedule s = schedule::step({1, 2});
    change(s);
    CHECK_THROWS_WITH_AS(s.check(), text, argument_error);
  };
  refused([](auto& s) { s.warm_up = -1; }, "schedule: warm_up is -1, must be 0 or more");
  refused([](auto& s) { s.decay = 0; }, "schedule: decay is 0, must be positive");
  refused([](auto& s) { s.final = NAN; }, "schedule: final is nan, must be 0 or more");
  refused([](auto& s) { s.every = 0; }, "schedule: every is 0, must be positive");
  refused([](auto& s) { s.milestones[1] = -2; }, "schedule: a milestone is -2, must be 0 or more");
  for (const auto& s :
       {schedule::constant(), schedule::step({3}), schedule::cosine(), schedule::exponential(), schedule::staircase()})
    CHECK_NOTHROW(s.check());
  CHECK(schedule::staircase().warmed_up(5).description() == "4 5 0.97 0 2.4");
  CHECK(schedule::exponential(0.9, 3).description() == "3 0 0.9 0 3");
  CHECK(schedule::step({3, 4.5}).description() == "1 0 0.1 0 2.4 3 4.5");
}

}  // namespace schedule_test
