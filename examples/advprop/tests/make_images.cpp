// make_images FOLDER: train/ and val/ with ten classes of small PNG pictures, each class of its own colour and stripes.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <advprop/core/random.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/png.hpp>

int main(int argc, char** argv) {
  using namespace advprop;
  if (argc != 2) return 2;
  random_stream rng(1);
  for (const auto& [part, count] : {std::pair("train", 12), std::pair("val", 4)})
    for (int c = 0; c < 10; ++c) {
      const std::string folder = std::string(argv[1]) + "/" + part + "/class" + std::to_string(c);
      std::filesystem::create_directories(folder);
      for (int i = 0; i < count; ++i) {
        const int height = 30 + rng.below(20), width = 30 + rng.below(20);
        std::vector<std::uint8_t> pixels;
        for (int y = 0; y < height; ++y)
          for (int x = 0; x < width; ++x)
            for (int k = 0; k < 3; ++k)
              pixels.push_back(
                  static_cast<std::uint8_t>((c * (k + 3) * 25 + (x * c + y) % 16 * 8 + rng.below(20)) % 256));
        write_file_atomically(folder + "/" + std::to_string(i) + ".png", encode_png({width, height, 3, pixels}));
      }
    }
}
