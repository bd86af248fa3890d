#include <advprop/layers/feature_map.hpp>

#include <utility>

#include <doctest/doctest.h>

#include <advprop/device/cpu.hpp>
#include <advprop/layers/layer.hpp>
#include <advprop/ops/cpu.hpp>

namespace feature_map_test {

using namespace advprop;

TEST_CASE("Copies share the memory; the last one gives it back") {
  cpu d(1);
  feature_map<cpu> x(d, 2, {9, 3, 4});
  CHECK(x.batch() == 2);
  CHECK(x.image() == shape{9, 3, 4});
  CHECK(x.unique());
  {
    const feature_map<cpu> y = x;
    CHECK(!x.unique());
    CHECK(y.view().data == x.view().data);
  }
  CHECK(x.unique());
  CHECK(d.memory().in_use() >= static_cast<std::size_t>(cpu::elements(2, {9, 3, 4})) * sizeof(float));
  x = {};
  CHECK(!x);
  CHECK(d.memory().in_use() == 0);
  CHECK(x.slice(3, 1).data == nullptr);
}

TEST_CASE("A slice is a range of the batch") {
  cpu d(1);
  const feature_map<cpu> x(d, 5, {9, 3, 4});
  const auto s = x.slice(2, 3);
  CHECK(s.batch == 3);
  CHECK(s.image() == shape{9, 3, 4});
  CHECK(s.data == channel_block(x.view(), 2, 0));
}

TEST_CASE("A layer writes over memory only where nobody else holds it") {
  cpu d(1);
  const feature_map<cpu> x(d, 1, {8, 2, 2});
  CHECK(writable(d, x, true).view().data == x.view().data);
  CHECK(writable(d, x, false).view().data != x.view().data);
  CHECK(writable(d, x, false).image() == x.image());
  CHECK(saved_if(true, x));
  CHECK(!saved_if(false, x));
}

static_assert(has(wrt::both, wrt::input) && has(wrt::both, wrt::parameters) && !has(wrt::input, wrt::parameters) &&
              !has(wrt::nothing, wrt::both));

}  // namespace feature_map_test
