// JPEG and PNG files: Pillow's pixels, and what becomes of files that are broken, too large or something else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <zlib.h>

#include <doctest/doctest.h>

#include <advprop/data/image_file.hpp>

#include "files.hpp"
#include "golden_images.hpp"
#include "image_bytes.hpp"

namespace image_file_test {

using namespace advprop;
using golden_images::difference;
using golden_images::image;
using image_bytes::bytes;

TEST_CASE("files that Pillow or its own writer made decode to Pillow's pixels") {
  int count = 0;
  for (const std::string& name : golden_images::file().names()) {
    if (!name.ends_with(".file")) continue;
    CAPTURE(name);
    const std::string key = name.substr(0, name.size() - 5);
    CHECK(difference(decode_image(golden_images::bytes(name), name), image(key + ".rgb")) == 0);
    ++count;
  }
  CHECK(count == 28);
}

TEST_CASE("orientations are read from both byte orders; damaged EXIF means upright") {
  const bytes plain = image_bytes::jpeg(image("rgb"));
  const byte_image upright = decode_jpeg(plain, "x");
  const auto with_exif = [&](const bytes& tiff) {
    bytes segment = {0xff, 0xe1, 0, static_cast<std::uint8_t>(tiff.size() + 8), 'E', 'x', 'i', 'f', 0, 0};
    segment.insert(segment.end(), tiff.begin(), tiff.end());
    bytes file = plain;
    file.insert(file.begin() + 2, segment.begin(), segment.end());
    return decode_jpeg(file, "x");
  };
  const bytes intel = {'I', 'I', 42, 0,    8, 0, 0, 0, 2, 0, 0x0f, 1, 3, 0, 1, 0, 0, 0, 9,
                       0,   0,   0,  0x12, 1, 3, 0, 1, 0, 0, 0,    3, 0, 0, 0, 0, 0, 0, 0};
  const bytes motorola = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0};
  const byte_image turned = detail::oriented(upright, 3);
  CHECK(turned != upright);
  CHECK(with_exif(intel) == turned);
  CHECK(with_exif(motorola) == turned);
  for (std::size_t size = 0; size <= intel.size(); ++size)  // nothing behind it, for sanitizers to see
    CHECK(detail::exif_orientation(bytes(intel.begin(), intel.begin() + static_cast<std::ptrdiff_t>(size))) ==
          (size < 34 ? 1 : 3));
  for (std::size_t size = 0; size <= intel.size(); ++size)  // cut anywhere: no error
    CHECK(with_exif(bytes(intel.begin(), intel.begin() + static_cast<std::ptrdiff_t>(size))) ==
          (size < 34 ? upright : turned));
  for (const auto& [at, value] : {std::pair{0, 'X'}, {3, 1}, {7, 255}, {4, 255}, {24, 4}, {30, 9}, {30, 0}}) {
    bytes bad = intel;
    bad[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(value);
    CHECK(with_exif(bad) == upright);
  }
}

TEST_CASE("PNG's EXIF chunk turns an image, before its pixels or behind them") {
  const bytes plain = image_bytes::png(image("rgb"));
  const bytes tiff = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0};
  bytes chunk = {0, 0, 0, static_cast<std::uint8_t>(tiff.size()), 'e', 'X', 'I', 'f'};
  chunk.insert(chunk.end(), tiff.begin(), tiff.end());
  const auto check = static_cast<std::uint32_t>(crc32(0, chunk.data() + 4, static_cast<uInt>(chunk.size() - 4)));
  for (const int shift : {24, 16, 8, 0}) chunk.push_back(static_cast<std::uint8_t>(check >> shift));
  const byte_image upright = decode_png(plain, "x"), turned = detail::oriented(upright, 6);
  CHECK(turned != upright);
  for (const std::ptrdiff_t at : {std::ptrdiff_t{33}, std::ssize(plain) - 12}) {  // behind IHDR, before IEND
    bytes file = plain;
    file.insert(file.begin() + at, chunk.begin(), chunk.end());
    CHECK(decode_png(file, "x") == turned);
    file[static_cast<std::size_t>(at) + 27] = 9;  // damaged: as if it were not there
    CHECK(decode_png(file, "x") == upright);
  }
}

TEST_CASE("inks stored as YCCK are those stored as CMYK") {
  bytes inks;  // smooth, because YCCK has its colours at half resolution
  for (int y = 0; y < 36; ++y)
    for (int x = 0; x < 36; ++x)
      for (int v : {7 * x, 7 * y, 120, 255 - 2 * (x + y)}) inks.push_back(static_cast<std::uint8_t>(v));
  const byte_image plain = decode_jpeg(image_bytes::jpeg(inks, 36, 36, 4, JCS_CMYK, JCS_CMYK), "x");
  const byte_image split = decode_jpeg(image_bytes::jpeg(inks, 36, 36, 4, JCS_CMYK, JCS_YCCK), "x");
  CHECK(difference(plain, split) <= 10);
  CHECK(difference(plain, split) > 0);
  CHECK(std::abs(plain.row(0)[0] - 0) <= 2);                     // no light of red
  CHECK(std::abs(plain.row(0)[35 * 3] - 245 * 185 / 255) <= 2);  // 245 of 255, and black leaves 185
}

TEST_CASE("16 bits become their high byte, grey too; interlaced PNG is PNG") {
  const byte_image rgb = image("rgb"), grey = image("grey");
  bytes wide;
  for (std::uint8_t v : rgb.pixels) wide.insert(wide.end(), {v, 200});
  CHECK(decode_png(image_bytes::png(wide, 37, 53, 16, PNG_COLOR_TYPE_RGB), "x") == rgb);
  wide.clear();
  for (std::uint8_t v : grey.pixels) wide.insert(wide.end(), {v, 200});
  const byte_image from_grey = decode_png(image_bytes::png(wide, 37, 53, 16, PNG_COLOR_TYPE_GRAY), "x");
  for (std::size_t i = 0; i < from_grey.pixels.size(); ++i) CHECK(from_grey.pixels[i] == grey.pixels[i / 3]);
  CHECK(decode_png(image_bytes::png(rgb, true), "x") == rgb);
}

TEST_CASE("one pixel is an image") {
  byte_image one = byte_image::of(1, 1);
  one.pixels = {10, 20, 30};
  CHECK(decode_image(image_bytes::png(one), "x") == one);
  one.pixels = {77, 77, 77};
  CHECK(decode_image(image_bytes::jpeg(one), "x") == one);
}

TEST_CASE("files are told by their content, and read_image names the file") {
  const files::folder folder;
  const byte_image rgb = image("rgb");
  CHECK(read_image(folder.write("a.jpg", image_bytes::png(rgb))) == rgb);
  CHECK(read_image(folder.write("b.png", image_bytes::jpeg(rgb))).width == 53);
  const std::string missing = folder / "no.jpg";
  CHECK_THROWS_WITH_AS(read_image(missing), (missing + ": cannot open: No such file or directory").c_str(), file_error);
  CHECK_THROWS_AS(read_image(folder.path()), file_error);
  const std::string large = folder.write("large.png", image_bytes::png(rgb));
  CHECK_THROWS_WITH_AS(read_image(large, {1000000, 100}), (large + ": larger than the limit of 100 bytes").c_str(),
                       file_error);
}

TEST_CASE("broken files are refused by name") {
  const auto refusal = [](const bytes& content) {
    return files::thrown<file_error>([&] { decode_image(content, "f.jpg"); });
  };
  const std::string text = "this is not an image";
  CHECK(refusal({}) == "f.jpg: is empty");
  CHECK(refusal(bytes(text.begin(), text.end())) == "f.jpg: is neither JPEG nor PNG");
  CHECK(refusal({0xff, 0xd8}) == "f.jpg: is neither JPEG nor PNG");
  CHECK(refusal({'G', 'I', 'F', '8', '9', 'a', 0, 0}) == "f.jpg: is neither JPEG nor PNG");
  const bytes jpeg = image_bytes::jpeg(image("rgb")), png = image_bytes::png(image("rgb"));
  const bytes progressive = golden_images::bytes("jpeg.444_progressive.file");
  for (const bytes& whole : {jpeg, progressive, png, image_bytes::png(image("rgb"), true)})
    for (std::size_t size = 8; size < whole.size(); size += size < 700 || size + 40 > whole.size() ? 1 : 37) {
      const std::string said = refusal(bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
      CHECK(files::contains(said, "f.jpg: cannot be decoded as "));
    }
  bytes bad = png;
  bad[bad.size() / 2] ^= 0x10u;
  CHECK(files::contains(refusal(bad), "f.jpg: cannot be decoded as PNG: "));
  bad = jpeg;
  const std::size_t middle = bad.size() * 2 / 3;
  bad[middle] = 0xff, bad[middle + 1] = 0xd9;  // an end in the midst of the pixels: for libjpeg only a warning
  CHECK(refusal(bad) == "f.jpg: cannot be decoded as JPEG: Corrupt JPEG data: premature end of data segment");
}

TEST_CASE("images over the limit are refused before memory is asked for them") {
  const bytes bombs[] = {image_bytes::png_claiming(20000, 20000), image_bytes::jpeg_claiming(20000, 20000)};
  for (const bytes& bomb : bombs)
    CHECK_THROWS_WITH_AS(decode_image(bomb, "bomb.png"),
                         "bomb.png: an image of 20000 x 20000 pixels is larger than the limit of 100000000",
                         file_error);
  CHECK_THROWS_WITH_AS(decode_image(image_bytes::png_claiming(0x7fffffff, 0x7fffffff), "x"),
                       "x: an image of 2147483647 x 2147483647 pixels is larger than the limit of 100000000",
                       file_error);
  const bytes png = image_bytes::png(image("rgb"));
  CHECK_NOTHROW(decode_image(png, "x", {37 * 53}));
  CHECK_THROWS_WITH_AS(decode_image(png, "x", {37 * 53 - 1}),
                       "x: an image of 53 x 37 pixels is larger than the limit of 1960", file_error);
}

TEST_CASE("any damage to a file gives an image or a file_error") {
  advprop::random_stream rng(8);
  for (const bytes& whole : {image_bytes::jpeg(image("rgb")), golden_images::bytes("jpeg.444_progressive.file"),
                             golden_images::bytes("jpeg.exif6.file"), image_bytes::png(image("rgb"), true)})
    for (int i = 0; i < 300; ++i) {
      bytes bad = whole;
      for (int changes = 1 + rng.below(4); changes > 0; --changes)
        bad[static_cast<std::size_t>(rng.below(static_cast<int>(bad.size())))] =
            static_cast<std::uint8_t>(rng.below(256));
      try {
        const byte_image result = decode_image(bad, "x", {1000000});
        CHECK(result.pixels.size() == static_cast<std::size_t>(result.height) * result.row_bytes());
      } catch (const file_error&) {
      }
    }
}

}  // namespace image_file_test
