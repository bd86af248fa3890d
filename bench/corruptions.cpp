// Corrupts given images: the C++ half of corruption_table.py. Reads requests from standard input,
//   NAME imagenet|cifar SEVERITY SEED COUNT HEIGHT WIDTH \n  and COUNT RGB images of raw bytes,
// and answers each with a line of milliseconds an image on one core, and the corrupted images. Its argument is the
// folder of frost pictures.
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <advprop/robustness/corrupt.hpp>

using namespace advprop;

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: bench_corruptions FROST_FOLDER < requests");
  const robustness::frost_pictures frost(argv[1]);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream request(line);
    std::string name, scale;
    int severity, height, width;
    std::uint64_t number;
    std::size_t count;
    if (!(request >> name >> scale >> severity >> number >> count >> height >> width))
      throw std::runtime_error("cannot read the request: " + line);
    std::vector<byte_image> images(count, byte_image::of(height, width));
    for (byte_image& image : images)
      std::cin.read(reinterpret_cast<char*>(image.pixels.data()), static_cast<std::streamsize>(image.pixels.size()));
    if (!std::cin) throw std::runtime_error("the images end early");
    const robustness::corruption_options options{
        scale == "cifar" ? robustness::severity_scale::cifar : robustness::severity_scale::imagenet, &frost};
    const auto start = std::chrono::steady_clock::now();
    images = robustness::corrupt(images, robustness::corruption_named(name), severity, seed{number}, 1, options);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    std::cout << took.count() / static_cast<double>(count) << '\n';
    for (const byte_image& image : images)
      std::cout.write(reinterpret_cast<const char*>(image.pixels.data()),
                      static_cast<std::streamsize>(image.pixels.size()));
    std::cout.flush();
  }
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
