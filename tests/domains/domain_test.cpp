#include <advprop/domains/domain.hpp>

#include <type_traits>

#include <doctest/doctest.h>

namespace domain_test {

using namespace advprop;

// Only a policy makes a domain.
static_assert(!std::is_constructible_v<domain, int>);
static_assert(!std::is_default_constructible_v<domain>);
static_assert(!std::is_convertible_v<int, domain>);

static_assert(domain_policy<domains<1>> && domain_policy<domains<5, share::statistics>>);
static_assert(!domain_policy<int>);

static_assert(domains<3>::count == 3);
static_assert(domains<3>::main() == main_domain && main_domain.index() == 0);
static_assert(domains<3>::auxiliary(0).index() == 1 && domains<3>::auxiliary(1).index() == 2);
static_assert(domains<3>::at(2) == domains<3>::auxiliary(1));
static_assert(domains<3>::at(0) == main_domain && domains<3>::at(1) != main_domain);

static_assert(domains<3>::statistic_sets == 3 && domains<3>::affine_sets == 3);
static_assert(domains<3, share::statistics>::statistic_sets == 1 && domains<3, share::statistics>::affine_sets == 3);
static_assert(domains<3, share::affine>::statistic_sets == 3 && domains<3, share::affine>::affine_sets == 1);

TEST_CASE("A domain outside its policy is an error") {
  using two = domains<2>;
  CHECK_THROWS_WITH_AS(two::at(2), "domain out of range: 2 of 2", argument_error);
  CHECK_THROWS_WITH_AS(two::at(-1), "domain out of range: -1 of 2", argument_error);
  CHECK_THROWS_WITH_AS(two::auxiliary(1), "domain out of range: auxiliary 1 of 1", argument_error);
  CHECK_THROWS_AS(two::auxiliary(-1), argument_error);
  CHECK_THROWS_WITH_AS(domains<1>::auxiliary(0), "domain out of range: auxiliary 0 of 0", argument_error);
}

TEST_CASE("What is shared has one set, what is not has one per domain") {
  for (int i = 0; i < 3; ++i) {
    const domain d = domains<3>::at(i);
    CHECK(domains<3>::statistic_set(d) == i);
    CHECK(domains<3>::affine_set(d) == i);
    CHECK(domains<3, share::statistics>::statistic_set(d) == 0);
    CHECK(domains<3, share::statistics>::affine_set(d) == i);
    CHECK(domains<3, share::affine>::statistic_set(d) == i);
    CHECK(domains<3, share::affine>::affine_set(d) == 0);
  }
}

}  // namespace domain_test
