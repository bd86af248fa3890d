// Three domains beside timm's split batch norms; tests/interop/check_splitbn.py moves whole checkpoints both ways.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include <advprop/ops/cpu.hpp>

#include <advprop/io/safetensors.hpp>

#include "../interop/split.hpp"

namespace splitbn_test {

using namespace advprop;

TEST_CASE("A training pass of three domains is that of timm's network with three splits") {
  const auto golden = safetensors::read(ADVPROP_TEST_SOURCE "/golden/splitbn.safetensors");
  cpu device(2);
  interop::network net(device);
  interop::generate(net);
  const auto logits = interop::training_pass(net), theirs = golden.floats("logits");
  REQUIRE(logits.size() == theirs.size());
  const std::size_t split = logits.size() / 3;
  for (std::size_t k = 0; k < 3; ++k) {
    double worst = 0, largest = 0;
    for (std::size_t i = k * split; i < (k + 1) * split; ++i) {
      worst = std::max(worst, std::abs(double{logits[i]} - double{theirs[i]}));
      largest = std::max(largest, std::abs(double{theirs[i]}));
    }
    CAPTURE(k);
    CHECK(worst < 1e-5 * largest);
  }

  int compared = 0;
  for (const parameter& p : net.table()) {
    if (p.role != role::mean && p.role != role::variance) continue;
    INFO(p.name);
    const auto summary = golden.floats("after." + p.name);  // norm, sum, 8 projections, 16 samples
    random_stream samples = interop::stream("samples/" + p.name);
    const double scale = double{summary[0]} / std::sqrt(static_cast<double>(p.count));
    double squares = 0;
    for (float v : net[p]) squares += double{v} * double{v};
    CHECK(std::sqrt(squares) == doctest::Approx(summary[0]).epsilon(1e-5));
    for (std::size_t i = 10; i < 26; ++i) {
      const float v = net[p][static_cast<std::size_t>(samples.below(static_cast<int>(p.count)))];
      CHECK(std::abs(double{v} - double{summary[i]}) < 1e-4 * scale);
    }
    ++compared;
  }
  CHECK(compared == 2 * 3 * 20);
  for (int set = 0; set < 3; ++set) CHECK(net.batches_tracked(set) == 1);
}

}  // namespace splitbn_test
