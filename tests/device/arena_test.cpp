#include <advprop/device/arena.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../thread_sanitizer.hpp"

#ifndef ADVPROP_THREAD_SANITIZER  // an arena is one thread's
namespace {
std::size_t requests = 0;
constexpr std::size_t limit = std::size_t{1} << 32;  // what this program's system has at the most
}  // namespace

// Of the arena alone: nothing else here asks for aligned memory. Sanitizers would stop at an absurd request instead.
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++requests;
  if (size > limit) throw std::bad_alloc();
  const auto unit = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
}
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace arena_test {

using namespace advprop;

namespace {
std::byte* bytes(const arena::block& b) { return static_cast<std::byte*>(b.data()); }
}  // namespace

TEST_CASE("Blocks are aligned to 64, writable to their end and do not overlap") {
  arena a;
  std::vector<arena::block> blocks;
  for (std::size_t size : {0, 1, 63, 64, 65, 1000, 4096, 1 << 20}) {
    blocks.push_back(a.allocate(size));
    CHECK(reinterpret_cast<std::uintptr_t>(blocks.back().data()) % arena::alignment == 0);
    std::memset(blocks.back().data(), static_cast<int>(blocks.size()), size);
  }
  CHECK(*bytes(blocks[2]) == std::byte{3});
  CHECK(bytes(blocks[5])[999] == std::byte{6});
}

TEST_CASE("The first hole that fits is taken, and split") {
  arena a;
  arena::block one = a.allocate(1024), two = a.allocate(256), three = a.allocate(1024), four = a.allocate(64);
  const auto *first = bytes(one), *third = bytes(three);
  one = {};
  three = {};
  CHECK(bytes(a.allocate(1024)) == first);
  const arena::block small = a.allocate(128), next = a.allocate(128);
  CHECK(bytes(small) == first);
  CHECK(bytes(next) > first);
  CHECK(bytes(next) + 128 <= first + 1024);
  CHECK(bytes(a.allocate(1000)) == third);
}

TEST_CASE("Free neighbours become one hole again, in whatever order they go") {
  for (const auto& order :
       std::vector<std::vector<int>>{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {0, 2, 1}, {2, 0, 1}, {1, 2, 0}}) {
    arena a;
    std::array<arena::block, 3> b{a.allocate(512), a.allocate(512), a.allocate(512)};
    const arena::block guard = a.allocate(64);
    const auto* start = bytes(b[0]);
    for (int i : order) b[static_cast<std::size_t>(i)] = {};
    CHECK(bytes(a.allocate(3 * 512 + 128)) == start);
  }
}

TEST_CASE("After everything is given back the slab is one hole") {
  arena a;
  {
    std::vector<arena::block> b;
    for (int i = 0; i < 100; ++i) b.push_back(a.allocate(static_cast<std::size_t>(i) * 97));
    for (std::size_t i = 0; i < b.size(); i += 3) b[i] = {};
    for (std::size_t i = 0; i < 100; ++i) b.push_back(a.allocate(i * 31));
  }
  CHECK(a.in_use() == 0);
  CHECK(a.slabs() == 1);
  const arena::block whole = a.allocate(a.reserved() - 64);
  CHECK(a.slabs() == 1);
  CHECK(a.in_use() == a.reserved());
}

TEST_CASE("The last copy of a handle gives the memory back") {
  arena a;
  arena::block b = a.allocate(100);
  CHECK(b.unique());
  const std::size_t used = a.in_use();
  {
    arena::block c = b, d;
    CHECK(!b.unique());
    CHECK(c.data() == b.data());
    d = c;
    arena::block& same = d;
    d = same;
    b = {};
    CHECK(!b);
    CHECK(b.data() == nullptr);
    CHECK(!b.unique());
    c = std::move(d);
    CHECK(c.unique());
    CHECK(a.in_use() == used);
    arena::block e = std::move(c);
    CHECK(e.unique());
  }
  CHECK(a.in_use() == 0);
}

TEST_CASE("The same requests get the same places") {
  arena a, b;
  const auto run = [](arena& m) {
    std::vector<std::ptrdiff_t> places;
    const arena::block first = m.allocate(64);
    arena::block kept;
    for (std::size_t size : {100, 5000, 300, 70, 9000, 64}) {
      arena::block next = m.allocate(size);
      places.push_back(bytes(next) - bytes(first));
      if (size < 1000) kept = next;
    }
    return places;
  };
  const auto once = run(a);
  CHECK(once == run(a));
  CHECK(once == run(b));
}

TEST_CASE("peak is the most in use at one time") {
  arena a;
  { const arena::block b = a.allocate(10000), c = a.allocate(20000); }
  const std::size_t peak = a.peak();
  CHECK(peak >= 30000);
  CHECK(peak < 31000);
  { const arena::block b = a.allocate(20000); }
  CHECK(a.peak() == peak);
  a.reset_peak();
  CHECK(a.peak() == 0);
  const arena::block d = a.allocate(64);
  CHECK(a.peak() == a.in_use());
}

TEST_CASE("The system is asked only when no hole fits") {
  arena a;
  const std::size_t before = requests;
  a.reserve(std::size_t{40} << 20);
  CHECK(requests == before + 1);
  for (int i = 0; i < 50; ++i) {
    const arena::block b = a.allocate(std::size_t{19} << 20), c = a.allocate(std::size_t{19} << 20);
    CHECK(bytes(b) != bytes(c));
  }
  CHECK(requests == before + 1);
  CHECK(a.slabs() == 1);
  const arena::block larger = a.allocate(std::size_t{41} << 20), fits = a.allocate(std::size_t{39} << 20);
  CHECK(requests == before + 2);
  CHECK(a.slabs() == 2);
  CHECK(a.reserved() >= std::size_t{81} << 20);
}

TEST_CASE("Running out of memory is an error that names the sizes, and leaves the arena usable") {
  arena a;
  const arena::block b = a.allocate(100);
  CHECK_THROWS_WITH_AS(a.allocate(std::size_t{1} << 50),
                       "out of memory: 1073741824 MiB more were asked for on top of 16 MiB", error);
  CHECK_THROWS_AS(a.allocate(SIZE_MAX), error);  // what a size below zero turns into
  CHECK_THROWS_AS(a.allocate(SIZE_MAX - 100), error);
  const arena::block c = a.allocate(100);
  CHECK(c);
  CHECK(a.slabs() == 1);
}

TEST_CASE("an arena of addresses gives what one of memory gives, and takes none") {
  arena real, planned(arena::backing::addresses);
  const auto requests = [](arena& a) {
    const auto first = a.allocate(1000), second = a.allocate(std::size_t{5} << 20);
    { const auto gap = a.allocate(70000); }
    const auto third = a.allocate(60000), fourth = a.allocate(std::size_t{40} << 20);
    return static_cast<std::byte*>(third.data()) - static_cast<std::byte*>(second.data());
  };
  CHECK(requests(real) == requests(planned));
  CHECK(real.peak() == planned.peak());
  CHECK(real.reserved() == planned.reserved());
  CHECK(planned.in_use() == 0);
  const auto large = planned.allocate(std::size_t{1} << 40);  // more than the machine has
  CHECK(large.data() != nullptr);
}

TEST_CASE("Slabs from elsewhere: blocks lie there, aligned as asked, nothing is written to them, and all go back") {
  std::vector<std::pair<void*, std::size_t>> given;
  int back = 0;
  const memory_source source{[&](std::size_t size) {
                               void* p = std::aligned_alloc(256, (size + 255) / 256 * 256);
                               std::memset(p, 0x5A, size);
                               given.emplace_back(p, size);
                               return given.size() > 2 ? nullptr : p;
                             },
                             [&](void* p) {
                               ++back;
                               std::free(p);
                             }};
  {
    arena a(source, 256), planned(arena::backing::addresses, 256);
    arena::block one = a.allocate(1000), two = a.allocate(5000);
    const arena::block planned_one = planned.allocate(1000), planned_two = planned.allocate(5000);
    CHECK(planned.peak() == a.peak());
    REQUIRE(given.size() == 1);
    const auto* slab = static_cast<std::byte*>(given[0].first);
    for (const arena::block& b : {one, two}) CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % 256 == 0);
    CHECK(bytes(one) >= slab);
    CHECK(bytes(two) >= bytes(one) + 1000);
    CHECK(bytes(two) + 5000 <= slab + given[0].second);
    CHECK(a.owns(one.data()));
    CHECK(a.owns(bytes(two) + 4999));
    CHECK(!a.owns(&a));
    const auto* first = bytes(one);
    one = {};
    CHECK(bytes(a.allocate(900)) == first);  // the hole, found again
    arena::block large = a.allocate(given[0].second);
    REQUIRE(given.size() == 2);
    CHECK(a.owns(large.data()));
    bool untouched = true;
    for (std::size_t i = 0; i < given[0].second; ++i) untouched = untouched && slab[i] == std::byte{0x5A};
    CHECK(untouched);
    CHECK_THROWS_WITH_AS(a.allocate(3 * given[1].second), doctest::Contains("out of memory"), error);
    std::free(given[2].first);
  }
  CHECK(back == 2);
}

}  // namespace arena_test

#endif
