#include <doctest/doctest.h>
#include <png.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <advprop/io/png.hpp>

namespace png_test {

using namespace advprop;

namespace {

picture decode(const std::string& bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()));
  const bool grey = image.format == PNG_FORMAT_GRAY;
  CHECK((grey || image.format == PNG_FORMAT_RGB));
  picture p{static_cast<int>(image.width), static_cast<int>(image.height), grey ? 1 : 3, {}};
  p.pixels.resize(PNG_IMAGE_SIZE(image));
  REQUIRE(png_image_finish_read(&image, nullptr, p.pixels.data(), 0, nullptr));
  return p;
}

picture pattern(int width, int height, int channels) {
  picture p{width, height, channels, {}};
  for (int i = 0; i < width * height * channels; ++i)
    p.pixels.push_back(static_cast<std::uint8_t>((i * 37) ^ (i >> 3)));
  return p;
}

}  // namespace

TEST_CASE("a PNG decodes to the pixels it was made of") {
  for (const auto& p : {pattern(28, 28, 1), pattern(31, 7, 3), pattern(1, 1, 1), pattern(5, 300, 3)}) {
    const auto back = decode(encode_png(p));
    CHECK(back.width == p.width);
    CHECK(back.height == p.height);
    CHECK(back.channels == p.channels);
    CHECK(back.pixels == p.pixels);
  }
}

TEST_CASE("a picture whose sizes do not fit is refused") {
  CHECK_THROWS_AS(encode_png({}), argument_error);
  CHECK_THROWS_AS(encode_png({2, 2, 2, std::vector<std::uint8_t>(8)}), argument_error);
  CHECK_THROWS_WITH_AS(encode_png({2, 2, 1, std::vector<std::uint8_t>(3)}),
                       "encode_png: 3 bytes are not a picture of 2 x 2 x 1", argument_error);
}

TEST_CASE("images in [0, 1] become bytes, rounded and clamped") {
  const float x[] = {0, 1, 0.5f, -3, 7, NAN, 1 / 255.f, 254.4f / 255, 0.1f, 0.2f, 0.3f, 0.4f};
  const const_image_view grey(x, {2, 2, 3, 1}), color(x, {1, 2, 2, 3});
  const auto p = to_picture(grey);
  CHECK(p.width == 3);
  CHECK(p.height == 2);
  CHECK(p.pixels == std::vector<std::uint8_t>{0, 255, 128, 0, 255, 0});
  CHECK(to_picture(grey, 1).pixels == std::vector<std::uint8_t>{1, 254, 26, 51, 77, 102});
  CHECK(to_picture(color).channels == 3);
  CHECK(to_picture(color).pixels.size() == 12);
  CHECK_THROWS_AS(to_picture(grey, 2), argument_error);
  CHECK_THROWS_AS(to_picture(const_image_view(x, {1, 2, 3, 2})), argument_error);
}

TEST_CASE("a perturbation is drawn around 128, magnified") {
  const float clean[] = {0.5f, 0.5f, 0.5f, 0.5f};
  const float adversarial[] = {0.5f, 0.5f + 4 / 255.f, 0.5f - 4 / 255.f, 1};
  const const_image_view c(clean, {1, 2, 2, 1}), a(adversarial, {1, 2, 2, 1});
  CHECK(perturbation_picture(c, a, 8).pixels == std::vector<std::uint8_t>{128, 160, 96, 255});
  CHECK_THROWS_AS(perturbation_picture(c, const_image_view(adversarial, {1, 4, 1, 1}), 8), argument_error);
}

TEST_CASE("base64 gives the test vectors of RFC 4648") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foob") == "Zm9vYg==");
  CHECK(base64("fooba") == "Zm9vYmE=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64(std::string("\xff\x00\xfb\xef", 4)) == "/wD77w==");
}

}  // namespace png_test
