// Applies or times an augmentation on given images: the C++ half of augment_table.py. Reads requests from standard
// input,
//   apply|time NAME PARAMETER nearest|bilinear SECONDS COUNT HEIGHT WIDTH \n  and COUNT RGB images of raw bytes,
// and answers each with the changed images (apply) or a line with microseconds an image on one core (time).
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <advprop/data/auto_augment.hpp>
#include <advprop/data/color_jitter.hpp>
#include <advprop/data/rand_augment.hpp>

using namespace advprop;

namespace {

std::function<void(byte_image&, random_stream&)> augmentation_named(const std::string& name, double parameter,
                                                                    warp how) {
  const auto p = static_cast<float>(parameter);
  const auto op = [](auto change) { return [change](byte_image& image, random_stream&) { change(image); }; };
  if (name == "autocontrast") return op(image_ops::autocontrast);
  if (name == "equalize") return op(image_ops::equalize);
  if (name == "invert") return op(image_ops::invert);
  if (name == "posterize") return op([=](byte_image& i) { image_ops::posterize(i, static_cast<int>(p)); });
  if (name == "solarize") return op([=](byte_image& i) { image_ops::solarize(i, p); });
  if (name == "brightness") return op([=](byte_image& i) { image_ops::brightness(i, p); });
  if (name == "contrast") return op([=](byte_image& i) { image_ops::contrast(i, p); });
  if (name == "color") return op([=](byte_image& i) { image_ops::color(i, p); });
  if (name == "sharpness") return op([=](byte_image& i) { image_ops::sharpness(i, p); });
  if (name == "hue") return op([=](byte_image& i) { image_ops::hue(i, p); });
  if (name == "rotate") return op([=](byte_image& i) { image_ops::rotate(i, parameter, how); });
  if (name == "shear_x") return op([=](byte_image& i) { image_ops::shear_x(i, parameter, how); });
  if (name == "shear_y") return op([=](byte_image& i) { image_ops::shear_y(i, parameter, how); });
  if (name == "translate_x") return op([=](byte_image& i) { image_ops::translate_x(i, static_cast<int>(p), how); });
  if (name == "translate_y") return op([=](byte_image& i) { image_ops::translate_y(i, static_cast<int>(p), how); });
  if (name == "auto_augment_imagenet") return auto_augment{auto_augment_policy::imagenet, how};
  if (name == "auto_augment_cifar10") return auto_augment{auto_augment_policy::cifar10, how};
  if (name == "rand_augment") return rand_augment{.moves = how};
  if (name == "color_jitter") return color_jitter{0.4f, 0.4f, 0.4f, 0.1f};
  throw std::runtime_error("no augmentation is called " + name);
}

double microseconds(const std::function<void(byte_image&, random_stream&)>& change,
                    const std::vector<byte_image>& images, double seconds) {
  using clock = std::chrono::steady_clock;
  const auto now = [start = clock::now()] { return std::chrono::duration<double>(clock::now() - start).count(); };
  byte_image image;
  random_stream rng(1);
  std::int64_t done = 0;
  while (now() < seconds)
    for (const byte_image& original : images) {
      image = original;
      change(image, rng);
      ++done;
    }
  return 1e6 * now() / static_cast<double>(done);
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::string what, name, filter;
  double parameter = 0, seconds = 0;
  int count = 0, height = 0, width = 0;
  while (std::cin >> what >> name >> parameter >> filter >> seconds >> count >> height >> width) {
    std::cin.get();
    std::vector<byte_image> images(static_cast<std::size_t>(count), byte_image::of(height, width));
    for (byte_image& image : images)
      std::cin.read(reinterpret_cast<char*>(image.pixels.data()), static_cast<std::streamsize>(image.pixels.size()));
    const warp how{filter == "bilinear" ? interpolation::bilinear : interpolation::nearest, {}};
    const auto change = augmentation_named(name, parameter, how);
    if (what == "time") {
      std::cout << microseconds(change, images, seconds) << std::endl;
      continue;
    }
    random_stream rng(1);
    for (byte_image& image : images) {
      change(image, rng);
      std::cout.write(reinterpret_cast<const char*>(image.pixels.data()),
                      static_cast<std::streamsize>(image.pixels.size()));
    }
    std::cout.flush();
  }
}
