// Names of corruptions, the table of severities, errors.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/error.hpp>
#include <advprop/data/jpeg_encoder.hpp>
#include <advprop/robustness/corrupt.hpp>

#include "../data/files.hpp"

namespace corruption_test {

using namespace advprop;
using namespace advprop::robustness;

namespace {
std::string message_of(auto&& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "";
}
bool says(const std::string& message, std::string_view part) { return message.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("corruptions have their published names, in the published order") {
  CHECK(all_corruptions.size() == 19);
  CHECK(benchmark_corruptions.size() == 15);
  CHECK(to_string(all_corruptions.front()) == "gaussian_noise");
  CHECK(to_string(benchmark_corruptions.back()) == "jpeg_compression");
  CHECK(to_string(all_corruptions.back()) == "saturate");
  CHECK(to_string(corruption::elastic_transform) == "elastic_transform");
  std::set<std::string_view> names;
  for (const corruption kind : all_corruptions) {
    CHECK(corruption_named(to_string(kind)) == kind);
    names.insert(to_string(kind));
  }
  CHECK(names.size() == 19);
  CHECK_THROWS_WITH_AS(corruption_named("Gaussian"), doctest::Contains("'Gaussian'"), argument_error);
}

TEST_CASE("severities are 1 to 5") {
  CHECK(strengths::gaussian_noise.at(severity_scale::imagenet, 1) == .08);
  CHECK(strengths::gaussian_noise.at(severity_scale::cifar, 5) == .10);
  CHECK_THROWS_AS(strengths::contrast.at(severity_scale::cifar, 0), argument_error);
  const byte_image image = byte_image::of(4, 4);
  random_stream rng(1);
  for (const int severity : {-1, 0, 6}) {
    const auto message = message_of([&] { corrupt(image, corruption::fog, severity, rng); });
    CHECK(says(message, "fog"));
    CHECK(says(message, std::to_string(severity)));
    CHECK(says(message, "1 to 5"));
  }
}

TEST_CASE("frost without pictures is refused") {
  random_stream rng(1);
  CHECK(says(message_of([&] { corrupt(byte_image::of(4, 4), corruption::frost, 1, rng); }), "frost_pictures"));
}

TEST_CASE("missing pictures of frost are named with their folder") {
  const auto message = message_of([] { frost_pictures("/no/such folder"); });
  CHECK(says(message, "frost"));
  CHECK(says(message, "/no/such folder/frost1.png"));
}

TEST_CASE("frost: a part of one of five pictures, enlarged where they are too small") {
  const files::folder folder;
  const auto grey = [](int height, int width, int value) {
    byte_image image = byte_image::of(height, width);
    std::fill(image.pixels.begin(), image.pixels.end(), static_cast<std::uint8_t>(value));
    return encode_jpeg(image, 95);
  };
  int value = 0;
  for (const char* name : {"frost1.png", "frost2.png", "frost4.jpg", "frost5.jpg", "frost6.jpg"})
    folder.write(name, grey(200, 300, value += 40));  // JPEG, whatever the name says
  CHECK(says(message_of([&] { frost_pictures{folder.path()}; }), folder / "frost3.png"));
  folder.write("frost3.png", grey(200, 300, 250));
  const frost_pictures pictures(folder.path());

  byte_image image = byte_image::of(30, 40);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{100});
  std::set<int> seen;
  for (int i = 0; i < 60; ++i) {
    random_stream rng(9, static_cast<std::uint64_t>(i));
    const auto result = corrupt(image, corruption::frost, 2, rng, {severity_scale::imagenet, &pictures});
    CHECK(rng.position() == 3);
    seen.insert(result.pixels[0]);
  }
  CHECK(seen == std::set<int>{104, 128, 152, 176, 230});  // 0.8 * 100 + 0.6 * 40, 80, 120, 160, 250: not the sixth

  for (const severity_scale scale : {severity_scale::imagenet, severity_scale::cifar}) {
    random_stream rng(1);
    const auto part = pictures.part(500, 211, scale, rng);
    CHECK(part.height == 500);
    CHECK(part.width == 211);
  }
}

}  // namespace corruption_test
