#include <advprop/core/random.hpp>

#include <array>
#include <cmath>
#include <set>
#include <vector>

#include <doctest/doctest.h>

namespace random_test {

using namespace advprop;

namespace {
using words = std::array<std::uint32_t, 4>;
constexpr std::uint32_t ones = 0xffffffffu;
}  // namespace

// The known answers of Random123's kat_vectors for philox4x32, 10 rounds.
static_assert(philox({0, 0, 0, 0}, {0, 0}) == words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({ones, ones, ones, ones}, {ones, ones}) == words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

TEST_CASE("A stream reads the words of Philox blocks in order: counter (block, stream), key seed") {
  random_stream r(0);
  for (std::uint32_t w : philox({0, 0, 0, 0}, {0, 0})) CHECK(r.next() == w);
  for (std::uint32_t w : philox({1, 0, 0, 0}, {0, 0})) CHECK(r.next() == w);
  CHECK(r.position() == 8);

  const random_stream far(0x123456789abcdef0u, 0xfedcba9876543210u);
  CHECK(far.at((std::uint64_t{5} << 34) + 2) ==
        philox({0, 5, 0x76543210u, 0xfedcba98u}, {0x9abcdef0u, 0x12345678u})[2]);
}

TEST_CASE("at addresses absolute positions, skip moves on, a copy goes its own way") {
  random_stream r(7, 3);
  std::vector<std::uint32_t> all;
  for (int i = 0; i < 11; ++i) all.push_back(r.next());
  random_stream s(7, 3);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(s.at(i) == all[i]);
  CHECK(s.position() == 0);
  s.skip(6);
  random_stream t = s;
  CHECK(s.next() == all[6]);
  CHECK(t.next() == all[6]);
  CHECK(random_stream(7, 3, 9).next() == all[9]);
  CHECK(random_stream(8, 3).next() != all[0]);
  CHECK(random_stream(7, 4).next() != all[0]);
}

TEST_CASE("split depends on seed, stream and tag but not on the position, and starts at position 0") {
  random_stream r(42, 1);
  const random_stream before = r.split(5);
  r.skip(1000);
  const random_stream after = r.split(5);
  CHECK(before.stream() == after.stream());
  CHECK(after.position() == 0);
  CHECK(after.seed() == 42);
  std::set<std::uint64_t> streams{r.stream()};
  for (std::uint64_t tag = 0; tag < 100; ++tag) {
    streams.insert(r.split(tag).stream());
    streams.insert(r.split(tag << 32).split(0).stream());
    streams.insert(random_stream(42, 2).split(tag).stream());
    streams.insert(random_stream(43, 1).split(tag).stream());
  }
  CHECK(streams.size() == 401);
}

TEST_CASE("uniform stays below 1 and has 24 bits") {
  static_assert(random_stream::to_uniform(0) == 0.f);
  static_assert(random_stream::to_uniform(ones) == 1.f - 0x1p-24f);
  static_assert(random_stream::to_uniform(0x100) == 0x1p-24f);
  random_stream r(1);
  double sum = 0, squares = 0;
  const int count = 100000;
  for (int i = 0; i < count; ++i) {
    const double u = r.uniform(-2, 2);
    REQUIRE((u >= -2 && u < 2));
    sum += u;
    squares += u * u;
  }
  CHECK(std::abs(sum / count) < 0.015);
  CHECK(squares / count == doctest::Approx(4.0 / 3).epsilon(0.02));
  CHECK(r.position() == count);
}

TEST_CASE("below gives every number of its range about equally often") {
  random_stream r(2);
  std::array<int, 7> seen{};
  for (int i = 0; i < 70000; ++i) {
    const int v = r.below(7);
    REQUIRE((v >= 0 && v < 7));
    ++seen[static_cast<std::size_t>(v)];
  }
  for (int n : seen) CHECK(std::abs(n - 10000) < 400);
  CHECK(r.below(1) == 0);
}

TEST_CASE("normal is finite with mean 0, variance 1 and kurtosis 3, and takes two positions") {
  random_stream r(3);
  double sum = 0, squares = 0, fourth = 0;
  const int count = 100000;
  for (int i = 0; i < count; ++i) {
    const double z = r.normal();
    REQUIRE(std::isfinite(z));
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
  }
  CHECK(r.position() == 2 * count);
  CHECK(std::abs(sum / count) < 0.015);
  CHECK(squares / count == doctest::Approx(1).epsilon(0.02));
  CHECK(fourth / count == doctest::Approx(3).epsilon(0.06));
}

}  // namespace random_test
