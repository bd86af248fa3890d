// Corruptions beside the official scripts' results, and their properties.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/distributions.hpp>
#include <advprop/data/jpeg_encoder.hpp>
#include <advprop/io/safetensors.hpp>
#include <advprop/robustness/corrupt.hpp>
#include <advprop/robustness/digital.hpp>

namespace corrupt_test {

using namespace advprop;
using namespace advprop::robustness;

namespace {

const safetensors& golden() {
  static const auto content = safetensors::read(ADVPROP_TEST_SOURCE "/golden/corruptions.safetensors");
  return content;
}

byte_image golden_image() {
  byte_image image = byte_image::of(32, 32);
  image.pixels = golden().values<std::uint8_t>("image");
  return image;
}

/// Pictures for `frost`: the official ones where there are test data, else none.
const frost_pictures* pictures() {
#ifdef ADVPROP_TEST_DATA
  static const frost_pictures official(ADVPROP_TEST_DATA "/frost");
  return &official;
#else
  return nullptr;
#endif
}
corruption_options options_of(severity_scale scale) { return {scale, pictures()}; }

bool possible(corruption kind) { return kind != corruption::frost || pictures(); }

double distance(const byte_image& a, const byte_image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

byte_image corrupted(const byte_image& image, corruption kind, int severity, severity_scale scale,
                     std::uint64_t number = 7) {
  random_stream rng = corruption_stream(seed{number}, kind, severity, 0);
  return corrupt(image, kind, severity, rng, options_of(scale));
}

}  // namespace

TEST_CASE("results are those of the official scripts on the same random numbers") {
  for (const severity_scale scale : {severity_scale::cifar, severity_scale::imagenet}) {
    const bool small = scale == severity_scale::cifar;
    const byte_image image = small ? golden_image() : resize(golden_image(), 224, 224);
    const std::vector<int> levels = small ? std::vector{1, 2, 3, 4, 5} : std::vector{1, 3, 5};
    const int step = small ? 4 : 16;
    for (const corruption kind : all_corruptions) {
      if (kind == corruption::impulse_noise || !possible(kind)) continue;  // scikit-image draws as it likes
      const std::string name(to_string(kind));
      CAPTURE(small);
      CAPTURE(name);
      const auto expected = golden().values<std::uint8_t>((small ? "cifar." : "imagenet.") + name);
      std::size_t at = 0;
      for (const int severity : levels) {
        CAPTURE(severity);
        const byte_image result = corrupted(image, kind, severity, scale);
        double sum = 0;
        int count = 0;
        for (int y = 1; y < image.height; y += step)
          for (int x = 1; x < image.width; x += step)
            for (int c = 0; c < 3; ++c, ++count) sum += std::abs(result.row(y)[3 * x + c] - expected[at++]);
        CHECK(sum / count < 0.1);
      }
      CHECK(at == expected.size());
    }
  }
}

TEST_CASE("every kind keeps the size, at any size, and one seed decides everything") {
  for (const auto& [height, width] :
       {std::pair{1, 1}, {1, 7}, {5, 1}, {2, 2}, {3, 4}, {32, 32}, {48, 64}, {33, 17}, {70, 41}})
    for (const corruption kind : all_corruptions)
      for (const severity_scale scale : {severity_scale::cifar, severity_scale::imagenet}) {
        if (!possible(kind)) continue;
        const byte_image image = resize(golden_image(), height, width);
        for (const int severity : {1, 5}) {
          const byte_image result = corrupted(image, kind, severity, scale);
          CAPTURE(to_string(kind));
          CHECK(result.height == height);
          CHECK(result.width == width);
          CHECK(result == corrupted(image, kind, severity, scale));
        }
      }
}

TEST_CASE("random kinds differ between seeds, images and severities' streams; others do not") {
  const byte_image image = golden_image();
  for (const corruption kind : all_corruptions) {
    if (!possible(kind)) continue;
    const bool fixed = kind == corruption::defocus_blur || kind == corruption::zoom_blur ||
                       (kind >= corruption::brightness && kind <= corruption::jpeg_compression &&
                        kind != corruption::elastic_transform) ||
                       kind == corruption::gaussian_blur || kind == corruption::saturate;
    CAPTURE(to_string(kind));
    CHECK((corrupted(image, kind, 3, severity_scale::cifar, 1) ==
           corrupted(image, kind, 3, severity_scale::cifar, 2)) == fixed);
    const auto two = corrupt(std::array{image, image}, kind, 3, seed{1}, 1, options_of(severity_scale::cifar));
    CHECK((two[0] == two[1]) == fixed);
  }
}

TEST_CASE("a batch has the same bits at any number of threads, and in parts") {
  std::vector<byte_image> images;
  for (int i = 0; i < 7; ++i) images.push_back(resize(golden_image(), 20 + i, 30 - i));
  for (const corruption kind : {corruption::gaussian_noise, corruption::glass_blur, corruption::elastic_transform,
                                corruption::spatter, corruption::snow, corruption::fog}) {
    const corruption_options options{severity_scale::imagenet, nullptr};
    const auto whole = corrupt(images, kind, 2, seed{5}, 1, options);
    for (const int threads : {2, 3, 16}) CHECK(corrupt(images, kind, 2, seed{5}, threads, options) == whole);
    const auto rest = corrupt(std::span(images).subspan(4), kind, 2, seed{5}, 2, options, 4);
    CHECK(std::equal(rest.begin(), rest.end(), whole.begin() + 4));
  }
  CHECK_THROWS_AS(corrupt(images, corruption::frost, 2, seed{5}, 2), argument_error);
}

TEST_CASE("an error of one image of a batch arrives") {
  const std::vector<byte_image> images = {byte_image::of(2, 2), byte_image::of(1, 70000)};  // beyond JPEG's sides
  CHECK_THROWS_AS(corrupt(images, corruption::jpeg_compression, 1, seed{}, 2), argument_error);
}

TEST_CASE("a higher severity is further from the image") {
  const byte_image image = resize(golden_image(), 96, 96);
  for (const corruption kind :
       {corruption::gaussian_noise, corruption::shot_noise, corruption::impulse_noise, corruption::speckle_noise,
        corruption::defocus_blur, corruption::gaussian_blur, corruption::zoom_blur, corruption::brightness,
        corruption::contrast, corruption::pixelate, corruption::jpeg_compression}) {
    CAPTURE(to_string(kind));
    double before = 0;
    for (int severity = 1; severity <= severities; ++severity) {
      const double d = distance(image, corrupted(image, kind, severity, severity_scale::imagenet));
      CHECK(d > before);
      before = d;
    }
  }
}

TEST_CASE("noise has its published distribution") {
  byte_image grey = byte_image::of(200, 200);
  std::fill(grey.pixels.begin(), grey.pixels.end(), std::uint8_t{102});  // 0.4
  const auto moments = [&](corruption kind) {
    const byte_image result = corrupted(grey, kind, 1, severity_scale::imagenet);
    double sum = 0, squares = 0;
    for (const std::uint8_t v : result.pixels) sum += v + 0.5, squares += (v + 0.5) * (v + 0.5);  // truncated
    const double n = static_cast<double>(result.pixels.size()), mean = sum / n;
    return std::pair{mean / 255, std::sqrt(squares / n - mean * mean) / 255};
  };
  const auto [gaussian_mean, gaussian_deviation] = moments(corruption::gaussian_noise);
  CHECK(gaussian_mean == doctest::Approx(0.4).epsilon(0.01));
  CHECK(gaussian_deviation == doctest::Approx(0.08).epsilon(0.02));
  const auto [shot_mean, shot_deviation] = moments(corruption::shot_noise);
  CHECK(shot_mean == doctest::Approx(0.4).epsilon(0.01));
  CHECK(shot_deviation == doctest::Approx(std::sqrt(0.4 / 60)).epsilon(0.02));
  const auto [speckle_mean, speckle_deviation] = moments(corruption::speckle_noise);
  CHECK(speckle_mean == doctest::Approx(0.4).epsilon(0.01));
  CHECK(speckle_deviation == doctest::Approx(0.4 * 0.15).epsilon(0.02));

  const byte_image impulses = corrupted(grey, corruption::impulse_noise, 5, severity_scale::imagenet);
  const auto share = [&](std::uint8_t v) {
    return static_cast<double>(std::count(impulses.pixels.begin(), impulses.pixels.end(), v)) / 120000;
  };
  CHECK(share(0) == doctest::Approx(0.135).epsilon(0.03));
  CHECK(share(255) == doctest::Approx(0.135).epsilon(0.03));
  CHECK(share(102) == doctest::Approx(0.73).epsilon(0.01));
}

TEST_CASE("a grey image stays grey; noise is not averaged over channels") {
  const byte_image rgb = golden_image();
  byte_image grey = byte_image::of(32, 32, 1), copy = rgb;
  for (std::size_t i = 0; i < grey.pixels.size(); ++i) {
    grey.pixels[i] = rgb.pixels[3 * i + 1];
    std::fill_n(&copy.pixels[3 * i], 3, grey.pixels[i]);
  }
  for (const corruption kind : all_corruptions) {
    if (!possible(kind) || kind == corruption::saturate) continue;  // grey has nothing to saturate
    CAPTURE(to_string(kind));
    const byte_image result = corrupted(grey, kind, 3, severity_scale::cifar);
    CHECK(result.channels == 1);
    REQUIRE(result.pixels.size() == grey.pixels.size());
    CHECK(distance(result, grey) > 0.5);
  }
  // Where channels are treated alike, the grey image is each of them.
  for (const corruption kind : {corruption::defocus_blur, corruption::snow, corruption::fog, corruption::brightness,
                                corruption::contrast, corruption::elastic_transform, corruption::pixelate}) {
    CAPTURE(to_string(kind));
    const byte_image one = corrupted(grey, kind, 3, severity_scale::cifar),
                     three = corrupted(copy, kind, 3, severity_scale::cifar);
    bool equal = true;
    for (std::size_t i = 0; i < three.pixels.size(); ++i) equal = equal && three.pixels[i] == one.pixels[i / 3];
    CHECK(equal);
  }
  byte_image flat = byte_image::of(200, 200, 1);
  std::fill(flat.pixels.begin(), flat.pixels.end(), std::uint8_t{102});
  double squares = 0;
  for (const std::uint8_t v : corrupted(flat, corruption::gaussian_noise, 1, severity_scale::imagenet).pixels)
    squares += (v + 0.5 - 102) * (v + 0.5 - 102);
  CHECK(std::sqrt(squares / 40000) / 255 == doctest::Approx(0.08).epsilon(0.02));
}

TEST_CASE("poisson: mean, variance, and one position a number") {
  for (const double mean : {0.0, 0.3, 5.0, 60.0, 500.0, 700.0}) {
    random_stream rng(3);
    double sum = 0, squares = 0;
    constexpr int n = 20000;
    for (int i = 0; i < n; ++i) {
      const double k = poisson(rng, mean);
      sum += k, squares += k * k;
    }
    CHECK(rng.position() == n);
    CHECK(sum / n == doctest::Approx(mean).epsilon(0.03));
    CHECK(squares / n - sum / n * sum / n == doctest::Approx(mean).epsilon(0.05));
  }
}

TEST_CASE("results are truncated, not rounded") {
  byte_image image = byte_image::of(1, 1);
  image.pixels = {100, 100, 100};
  CHECK(brightness(image, 0.1).pixels == std::vector<std::uint8_t>{125, 125, 125});  // 125.5
  CHECK(truncated(254.999) == 254);
  CHECK(truncated(-3.0) == 0);
  CHECK(truncated(300.0f) == 255);
  CHECK(truncated(std::nan("")) == 0);
  for (int v = 0; v < 256; ++v) {  // a value that nothing changes stays
    image.pixels = {static_cast<std::uint8_t>(v), 0, static_cast<std::uint8_t>(v)};
    CHECK(to_bytes(float_image(image)) == image);
    CHECK(brightness(image, 0).pixels[0] == v);
  }
}

TEST_CASE("borders stand for positions at any distance") {
  const auto row = [](border edge, int n) {
    std::vector<int> result;
    for (int i = -5; i < 7; ++i) result.push_back(inside(edge, i, n));
    return result;
  };
  CHECK(row(border::nearest, 3) == std::vector{0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2});
  CHECK(row(border::reflect, 3) == std::vector{1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0});
  CHECK(row(border::reflect_101, 3) == std::vector{1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2});
  for (const border edge : {border::nearest, border::reflect, border::reflect_101})
    CHECK(row(edge, 1) == std::vector<int>(12, 0));
}

TEST_CASE("JPEG: quality and size are checked, grey images work") {
  const byte_image image = golden_image();
  CHECK(encode_jpeg(image, 90).size() > encode_jpeg(image, 10).size());
  CHECK(encode_jpeg(image, 50, true).size() < encode_jpeg(image, 50).size());
  CHECK(decode_jpeg(encode_jpeg(image, 50, true), "a") == decode_jpeg(encode_jpeg(image, 50), "b"));
  CHECK(distance(decode_jpeg(encode_jpeg(image, 100), "c"), image) < 8);
  for (const int quality : {0, 101}) CHECK_THROWS_AS(encode_jpeg(image, quality), argument_error);
  CHECK(decode_jpeg(encode_jpeg(byte_image::of(5, 3, 1), 75), "d").height == 5);
}

}  // namespace corrupt_test
