#include <advprop/device/cpu.hpp>

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

namespace cpu_test {

using namespace advprop;

static_assert(cpu::elements(2, {3, 5, 7}) == 2 * 1 * 5 * 7 * 8);
static_assert(cpu::elements(1, {8, 1, 1}) == 8);
static_assert(cpu::elements(4, {9, 2, 2}) == 4 * 2 * 2 * 2 * 8);
static_assert(cpu::elements(1000, {2048, 56, 56}) == std::ptrdiff_t{1000} * 2048 * 56 * 56);

TEST_CASE("0 threads are as many as there are processors; fewer, and more than 1024, are refused") {
  CHECK(cpu().threads() == processors());
  CHECK(cpu(0).threads() == processors());
  CHECK(cpu(3).threads() == 3);
  CHECK(cpu(1024).threads() == 1024);
  for (const int bad : {-1, 1025})
    CHECK_THROWS_WITH_AS(cpu{bad}, ("cpu: " + std::to_string(bad) + " threads; must be 0 (all) to 1024").c_str(),
                         argument_error);
}

TEST_CASE("A device takes the best instruction set of this processor, or another that it has") {
  REQUIRE(!instruction_sets().empty());
  CHECK(cpu().instructions() == best_instruction_set());
  CHECK(best_instruction_set() == instruction_sets().back());
  CHECK(std::ranges::is_sorted(instruction_sets()));
  for (instruction_set s : instruction_sets()) {
    CHECK(processor_has(s));
    CHECK(cpu(1, s).instructions() == s);
  }
#if defined(__x86_64__)
  // However this was compiled: what the processor has is used.
  for (instruction_set s : {instruction_set::avx2, instruction_set::avx512})
    if (processor_has(s)) CHECK(best_instruction_set() >= s);
#endif
}

TEST_CASE("An instruction set that this processor or this program does not have is refused") {
  for (instruction_set s : {instruction_set::portable, instruction_set::avx2, instruction_set::avx512}) {
    CAPTURE(std::string(name(s)));
    const std::string missing = "cpu: this processor has no " + std::string(name(s)),
                      left_out = "cpu: this program was not compiled for " + std::string(name(s));
    if (!processor_has(s))
      CHECK_THROWS_WITH_AS(cpu(1, s), missing.c_str(), argument_error);
    else if (std::ranges::count(instruction_sets(), s) == 0)
      CHECK_THROWS_WITH_AS(cpu(1, s), left_out.c_str(), argument_error);
    else
      CHECK_NOTHROW(cpu(1, s));
  }
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

}  // namespace cpu_test
