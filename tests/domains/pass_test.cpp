#include <advprop/domains/pass.hpp>

#include <cmath>
#include <type_traits>

#include <doctest/doctest.h>

namespace pass_test {

using namespace advprop;

namespace {
using three = domains<3>;
constexpr domain aux0 = three::auxiliary(0), aux1 = three::auxiliary(1);

constexpr routing mixed{{main_domain, 3}, {aux0, 2, 0.5f}, {aux0, 1, 2.f}, {aux1, 4}};
constexpr int images_of(const routing& r, int index) {
  int n = 0;
  for (const part& p : r)
    if (p.domain.index() == index) n += p.count;
  return n;
}
}  // namespace

// A route is planned at compile time as well as at run time.
static_assert(mixed.size() == 4 && mixed.resolve(10).size() == 4);
static_assert(mixed.merged().size() == 3 && images_of(mixed.merged(), 1) == 3 && images_of(mixed, 2) == 4);
static_assert(routing(aux1).resolve(7).begin()->count == 7);
static_assert(!std::is_constructible_v<routing, int>);

TEST_CASE("A domain alone takes the whole batch, with weight 1") {
  const routing r = routing(aux0).resolve(5);
  CHECK(r.size() == 1);
  CHECK(r.begin()->domain == aux0);
  CHECK(r.begin()->count == 5);
  CHECK(r.begin()->weight == 1);
  CHECK(r.resolve(5).size() == 1);
  CHECK_THROWS_AS(r.resolve(6), argument_error);
}

TEST_CASE("Merging joins neighbours of one domain and nothing else") {
  const routing m = mixed.merged();
  CHECK(m.size() == 3);
  CHECK(m.begin()[0].count == 3);
  CHECK(m.begin()[1].count == 3);
  CHECK(m.begin()[1].domain == aux0);
  CHECK(m.begin()[2].count == 4);
}

TEST_CASE("Parts must add up to the batch") {
  CHECK_THROWS_WITH_AS(mixed.resolve(9), "routing: parts hold 10 images, the batch 9", argument_error);
  CHECK_THROWS_AS(mixed.resolve(11), argument_error);
  CHECK_THROWS_AS(routing().resolve(1), argument_error);
}

TEST_CASE("Empty parts, domains that come back and too many parts are refused") {
  routing r;
  CHECK_THROWS_WITH_AS(r.push({main_domain, 0}), "routing: part 0 has 0 images", argument_error);
  CHECK_THROWS_AS((routing{{main_domain, 2}, {aux0, -1}}), argument_error);
  CHECK_THROWS_WITH_AS((routing{{main_domain, 1}, {aux0, 1}, {main_domain, 1}}),
                       "routing: the parts of domain 0 are not next to each other", argument_error);
  CHECK_THROWS_AS((routing{{aux1, 1}, {aux0, 1}, {main_domain, 1}, {aux0, 1}}), argument_error);
  for (float weight : {NAN, INFINITY, -INFINITY})
    CHECK_THROWS_WITH_AS(r.push({main_domain, 1, weight}), doctest::Contains("routing: the weight of part 0 is "),
                         argument_error);
  for (int i = 0; i < routing::limit; ++i) r.push({aux0, 1});
  CHECK(r.size() == routing::limit);
  CHECK_THROWS_WITH_AS(r.push({aux0, 1}), "routing: more than 16 parts", argument_error);
}

TEST_CASE("The three kinds of pass answer the four questions") {
  const pass t = pass::train(aux0), a = pass::attack(aux1), e = pass::evaluate();
  CHECK(t.source == statistics::batch);
  CHECK(t.update);
  CHECK(a.source == statistics::running);
  CHECK(!a.update);
  CHECK(pass::attack(aux1, statistics::batch).source == statistics::batch);
  CHECK(!pass::attack(aux1, statistics::batch).update);
  CHECK(e.source == statistics::running);
  CHECK(!e.update);
  CHECK(e.route.begin()->domain == main_domain);
  CHECK(pass::evaluate(aux1).route.begin()->domain == aux1);
  CHECK((t.drop && !a.drop && !e.drop && pass::attack(aux1, statistics::running, true).drop));
}

}  // namespace pass_test
