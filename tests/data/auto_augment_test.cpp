// AutoAugment, RandAugment and colour jitter: torchvision's tables and images, and how often each outcome is drawn.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/error.hpp>
#include <advprop/data/auto_augment.hpp>
#include <advprop/data/color_jitter.hpp>
#include <advprop/data/rand_augment.hpp>

#include "golden_augment.hpp"

namespace auto_augment_test {

using namespace advprop;
using stream = advprop::random_stream;

static_assert(byte_augmentation<auto_augment> && byte_augmentation<rand_augment> && byte_augmentation<color_jitter>);
static_assert(augmentation<on_bytes<auto_augment>>);

namespace {
constexpr int ops = static_cast<int>(augment_op::invert) + 1;

const std::pair<auto_augment_policy, const char*> policies[] = {{auto_augment_policy::imagenet, "imagenet"},
                                                                {auto_augment_policy::cifar10, "cifar10"}};

// How many of successive calls on one stream give the golden images.
template <class Augment>
int agreeing(const Augment& augment, const std::string& stream_name, const std::string& key) {
  const auto original = golden_augment::image("input.rgb");
  stream rng = golden_augment::stream(stream_name);
  int equal = 0;
  for (std::uint64_t expected : golden_augment::hashes(key)) {
    auto image = original;
    augment(image, rng);
    equal += golden_augment::fnv1a(image.pixels) == expected;
  }
  return equal;
}

// |count - n p| within 4.5 standard deviations of a binomial.
bool as_often_as(int count, int n, double p) { return std::fabs(count - n * p) <= 4.5 * std::sqrt(n * p * (1 - p)); }
}  // namespace

TEST_CASE("AutoAugment's policies are torchvision's") {
  for (const auto& [p, key] : policies) {
    const std::string name = key;  // clang 14 captures no structured bindings
    const auto expected = golden_augment::numbers("policy." + name);
    REQUIRE(expected.size() == 25 * 2 * 3);
    std::size_t at = 0;
    for (const auto& pair : policy_table(p))
      for (const policy_step& step : pair) {
        CAPTURE(name);
        CAPTURE(at);
        CHECK(static_cast<float>(step.op) == expected[at++]);
        CHECK(step.probability == expected[at++]);
        CHECK(static_cast<float>(step.level) == expected[at++]);
      }
  }
}

TEST_CASE("magnitudes are torchvision's") {
  for (int bins : {10, 31}) {
    const auto expected = golden_augment::numbers("magnitudes." + std::to_string(bins));
    const auto has_signs = golden_augment::file().values<std::uint8_t>("signed." + std::to_string(bins));
    REQUIRE(expected.size() == static_cast<std::size_t>(ops * bins));
    for (int op = 0; op < ops; ++op) {
      CHECK(has_sign(static_cast<augment_op>(op)) == (has_signs[static_cast<std::size_t>(op)] == 1));
      for (int level = 0; level < bins; ++level) {
        CAPTURE(op);
        CAPTURE(level);
        // Within one last bit: torch.linspace itself depends on the processor's vector width by as much.
        const float golden = expected[static_cast<std::size_t>(op * bins + level)];
        const float ours = augment_magnitude(static_cast<augment_op>(op), level, bins, 33, 47);
        CHECK(ours >= std::nextafter(golden, -1.0f));
        CHECK(ours <= std::nextafter(golden, 1000.0f));
      }
    }
    // Whole pixels of every image size: a last bit can make one less.
    const auto translations = golden_augment::file().values<std::uint8_t>("translations." + std::to_string(bins));
    int equal = 0;
    for (int size = 1; size <= 400; ++size)
      for (int level = 0; level < bins; ++level) {
        const int pixels = translations[static_cast<std::size_t>((size - 1) * bins + level)];
        equal += static_cast<int>(augment_magnitude(augment_op::translate_x, level, bins, 1, size)) == pixels &&
                 static_cast<int>(augment_magnitude(augment_op::translate_y, level, bins, size, 1)) == pixels;
      }
    CHECK(equal == 400 * bins);
  }
  CHECK_THROWS_AS(augment_magnitude(augment_op::rotate, -1, 10, 8, 8), argument_error);
  CHECK_THROWS_AS(augment_magnitude(augment_op::rotate, 10, 10, 8, 8), argument_error);
  CHECK_THROWS_AS(augment_magnitude(augment_op::rotate, 0, 1, 8, 8), argument_error);
}

TEST_CASE("whole augmentations with given draws make torchvision's images") {
  for (auto [p, name] : policies)
    CHECK(agreeing(auto_augment{p}, std::string("augment/auto/") + name, std::string("auto_augment.") + name) == 150);
  CHECK(agreeing(rand_augment{3, 17, 31, {interpolation::bilinear, {200, 7, 90}}}, "augment/rand", "rand_augment") ==
        150);
  CHECK(agreeing(color_jitter{.brightness = 0.4f, .contrast = {0.5f, 2}, .saturation = 1.5f, .hue = 0.1f},
                 "augment/jitter", "color_jitter") == 150);
}

TEST_CASE("augmentations draw a fixed number of positions, and nothing else decides") {
  const auto original = golden_augment::image("input.rgb");
  const auto check = [&](const auto& augment, std::uint64_t positions) {
    for (std::uint64_t s = 0; s < 40; ++s) {
      auto image = original, again = original;
      stream rng(3, s), same(3, s);
      augment(image, rng);
      augment(again, same);
      CHECK(rng.position() == positions);
      CHECK(image == again);
    }
  };
  check(auto_augment{}, 5);
  check(auto_augment{auto_augment_policy::cifar10}, 5);
  check(rand_augment{}, 4);
  check(rand_augment{.operations = 5}, 10);
  check(color_jitter{.hue = 0.2f}, 7);
}

TEST_CASE("RandAugment draws its 14 operations and both signs equally often") {
  // At level 9 of 10 every operation and sign leaves a mark of its own.
  auto ramp = byte_image::of(64, 64, 3);
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x)
      for (int c = 0; c < 3; ++c)
        ramp.row(y)[x * 3 + c] = static_cast<std::uint8_t>(20 + ((x * 37 + y * 11 + x * y * (c + 1)) % 200));
  std::vector<std::pair<std::uint64_t, double>> outcomes;
  for (int op = 0; op < 14; ++op) {
    const float m = augment_magnitude(static_cast<augment_op>(op), 9, 10, 64, 64);
    const bool sign = has_sign(static_cast<augment_op>(op));
    for (float s : {1.0f, -1.0f}) {
      if (s < 0 && !sign) continue;
      auto image = ramp;
      apply_augment(image, static_cast<augment_op>(op), s * m);
      outcomes.emplace_back(golden_augment::fnv1a(image.pixels), sign ? 1 / 28.0 : 1 / 14.0);
    }
  }
  REQUIRE(outcomes.size() == 23);
  constexpr int trials = 6000;
  std::vector<int> counts(outcomes.size());
  stream rng(11);
  for (int t = 0; t < trials; ++t) {
    auto image = ramp;
    rand_augment{.operations = 1, .magnitude = 9, .bins = 10}(image, rng);
    const auto hash = golden_augment::fnv1a(image.pixels);
    for (std::size_t i = 0; i < outcomes.size(); ++i) counts[i] += outcomes[i].first == hash;
  }
  int total = 0;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    CAPTURE(i);
    CHECK(as_often_as(counts[i], trials, outcomes[i].second));
    total += counts[i];
  }
  CHECK(total == trials);  // no two outcomes are alike, and there is no other
}

TEST_CASE("colour jitter draws uniformly, in every order, and leaves out what does not change") {
  // Brightness alone on white: the result tells the factor.
  auto white = byte_image::of(1, 1);
  stream rng(5);
  constexpr int trials = 8000;
  std::array<int, 8> counts{};
  for (int t = 0; t < trials; ++t) {
    white.pixels = {200, 200, 200};
    color_jitter{.brightness = {0.2f, 1.0f}}(white, rng);  // 40 .. 200
    CHECK(white.pixels[0] >= 40);
    CHECK(white.pixels[0] < 200);
    ++counts[static_cast<std::size_t>((white.pixels[0] - 40) / 20)];
  }
  for (int count : counts) CHECK(as_often_as(count, trials, 1.0 / 8));

  // Fixed factors that do not commute: 24 orders, each with a result of its own or shared, none missing.
  const auto original = golden_augment::image("input.rgb");
  const color_jitter fixed{
      .brightness = {1.6f, 1.6f}, .contrast = {0.4f, 0.4f}, .saturation = {2.5f, 2.5f}, .hue = {0.3f, 0.3f}};
  std::vector<std::pair<std::uint64_t, int>> seen;
  for (int t = 0; t < 4800; ++t) {
    auto image = original;
    fixed(image, rng);
    const auto hash = golden_augment::fnv1a(image.pixels);
    std::size_t i = 0;
    while (i < seen.size() && seen[i].first != hash) ++i;
    if (i == seen.size()) seen.emplace_back(hash, 0);
    ++seen[i].second;
  }
  CHECK(seen.size() == 24);
  for (auto [hash, count] : seen) CHECK(as_often_as(count, 4800, 1.0 / 24));

  auto image = original;
  color_jitter{}(image, rng);
  CHECK(image == original);
}

TEST_CASE("augmentations refuse settings without a meaning") {
  auto image = golden_augment::image("input.rgb");
  stream rng(1);
  CHECK_THROWS_AS((rand_augment{.operations = -1}(image, rng)), argument_error);
  CHECK_THROWS_AS((color_jitter{.contrast = {-0.1f, 1}}(image, rng)), argument_error);
  CHECK_THROWS_AS((color_jitter{.saturation = {2, 1}}(image, rng)), argument_error);
  CHECK_THROWS_AS((color_jitter{.brightness = std::nanf("")}(image, rng)), argument_error);
  CHECK_THROWS_WITH_AS((color_jitter{.hue = 0.6f}(image, rng)),
                       "color_jitter: hue -0.6 to 0.6 is not a range in [-0.5, 0.5]", argument_error);
  const auto out_of_bins = [&] {
    for (int t = 0; t < 50; ++t) rand_augment{.magnitude = 31}(image, rng);
  };
  CHECK_THROWS_AS(out_of_bins(), argument_error);
}

TEST_CASE("AutoAugment serves float images of a data set") {
  auto bytes = golden_augment::image("input.rgb");
  std::vector<float> values(bytes.pixels.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(bytes.pixels[i]) / 255.0f;
  stream rng(9), same(9);
  for (int t = 0; t < 30; ++t) {
    on_bytes(auto_augment{auto_augment_policy::cifar10})(single_image{values.data(), {33, 47, 3}}, rng);
    auto_augment{auto_augment_policy::cifar10}(bytes, same);
    int different = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
      different += values[i] != static_cast<float>(bytes.pixels[i]) / 255.0f;
    CHECK(different == 0);
  }
}

}  // namespace auto_augment_test
