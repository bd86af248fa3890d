#include <advprop/device/cpu.hpp>

#include <doctest/doctest.h>

using namespace advprop;

static_assert(cpu::elements(2, {3, 5, 7}) == 2 * 1 * 5 * 7 * 8);
static_assert(cpu::elements(1, {8, 1, 1}) == 8);
static_assert(cpu::elements(4, {9, 2, 2}) == 4 * 2 * 2 * 2 * 8);
static_assert(cpu::elements(1000, {2048, 56, 56}) == std::ptrdiff_t{1000} * 2048 * 56 * 56);

TEST_CASE("0 threads are as many as there are processors; fewer are refused") {
  CHECK(cpu().threads() == processors());
  CHECK(cpu(0).threads() == processors());
  CHECK(cpu(3).threads() == 3);
  CHECK_THROWS_WITH_AS(cpu(-1), "cpu: -1 threads; must be 0 (all) or more", argument_error);
}

TEST_CASE("Feature maps lie as image, block of 8 channels, row, column, channel") {
  float data[2 * 2 * 3 * 4 * 8] = {};
  const feature_view<float> x{data, 2, 11, 3, 4};
  CHECK(channel_blocks(x) == 2);
  CHECK(channel_block(x, 0, 0) == data);
  CHECK(channel_block(x, 0, 1) == data + 3 * 4 * 8);
  CHECK(channel_block(x, 1, 0) == data + 2 * 3 * 4 * 8);
  CHECK(channel_block(x, 1, 1) + 3 * 4 * 8 == data + sizeof data / sizeof *data);
}
