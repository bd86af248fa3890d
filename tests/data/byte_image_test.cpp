// Byte images, their pipeline, and the adaptor that makes a byte augmentation one of float images.
#include <cmath>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/byte_image.hpp>

namespace byte_image_test {

using namespace advprop;
using stream = advprop::random_stream;

TEST_CASE("a byte image has rows, keeps its memory, and refuses sizes that are none") {
  byte_image image = byte_image::of(2, 3);
  CHECK(image.pixels == std::vector<std::uint8_t>(18));
  image.row(1)[2] = 9;
  CHECK(image.pixels[11] == 9);
  CHECK(image != byte_image::of(2, 3));
  CHECK(byte_image::of(4, 5, 1).row_bytes() == 5);
  const auto* memory = image.pixels.data();
  image.reshape(3, 2);
  CHECK(image.row(2) - memory == 12);
  CHECK_THROWS_WITH_AS(byte_image::of(0, 4), "byte_image: 0 x 4 x 3; sides must be 1 or more, channels 1 or 3",
                       argument_error);
  CHECK_THROWS_AS(byte_image::of(4, 0), argument_error);
  CHECK_THROWS_AS(byte_image::of(4, 4, 2), argument_error);
}

TEST_CASE("a pipeline applies first to last on one random stream, and may change the size") {
  const auto draw = [](byte_image& image, stream& rng) {
    image.pixels.assign(1, static_cast<std::uint8_t>(rng.below(256)));
  };
  const auto append = [](byte_image& image, stream& rng) {
    image.pixels.push_back(static_cast<std::uint8_t>(rng.below(256)));
  };
  byte_image image = byte_image::of(3, 3);
  stream rng(4), same(4);
  pipeline(draw, append, append)(image, rng);
  std::vector<std::uint8_t> expected;
  for (int i = 0; i < 3; ++i) expected.push_back(static_cast<std::uint8_t>(same.below(256)));
  CHECK(image.pixels == expected);
  CHECK(rng.position() == 3);
}

TEST_CASE("on_bytes rounds, changes, and divides; what it leaves alone comes back exactly") {
  std::vector<float> values;
  for (int i = 0; i < 255; ++i) values.push_back(static_cast<float>(i) / 255);
  std::vector<float> copy = values;
  stream rng(1);
  const on_bytes nothing([](byte_image&, stream&) {});
  static_assert(augmentation<decltype(nothing)>);
  nothing(single_image(copy.data(), {5, 17, 3}), rng);
  CHECK(copy == values);
  copy = {-1, NAN, 2, 0.4f / 255, 0.6f / 255, 254.6f / 255};
  on_bytes([](byte_image& image, stream&) {
    CHECK(image.pixels == std::vector<std::uint8_t>{0, 0, 255, 0, 1, 255});
    image.row(1)[0] = 51;
  })(single_image(copy.data(), {2, 1, 3}), rng);
  CHECK(copy == std::vector<float>{0, 0, 1, 0.2f, 1.0f / 255, 1});
  const on_bytes grows([](byte_image& image, stream&) { image.reshape(3, 1, 3); });
  CHECK_THROWS_WITH_AS(grows(single_image(copy.data(), {2, 1, 3}), rng),
                       "on_bytes: an image of 2 x 1 x 3 became 3 x 1 x 3; the size must stay", argument_error);
}

}  // namespace byte_image_test
