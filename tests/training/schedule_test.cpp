#include <advprop/training/schedule.hpp>

#include <cmath>

#include <doctest/doctest.h>

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
  const auto warm = schedule::cosine(2, 0.1);
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
  s = schedule::cosine(20);
  CHECK(s.factor(10, 10) == 0.5);
}
