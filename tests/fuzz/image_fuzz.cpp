// libFuzzer target: JPEG and PNG files. Every other outcome than an image or a file_error is a finding.
// tests/golden/images.safetensors holds small files of all kinds to begin with.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <advprop/data/image_file.hpp>

using namespace advprop;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const byte_image image = decode_image({data, size}, "image", {1 << 16, 1 << 20});
    if (image.channels != 3 || image.pixels.size() != image.row_bytes() * static_cast<std::size_t>(image.height))
      std::abort();
    if (std::int64_t{image.height} * image.width > 1 << 16) std::abort();
  } catch (const file_error& e) {
    if (e.what()[0] == '\0') std::abort();
  }
  return 0;
}
