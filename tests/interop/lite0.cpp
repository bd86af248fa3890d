// lite0 WEIGHTS FOLDER PREDICTIONS: EfficientNet-Lite0 on Imagenette's validation images, 1,000-way, beside what
// tests/golden/lite0.py wrote: accuracy, and how many images get the class that PyTorch gives them.
#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include <advprop/advprop.hpp>
#include <advprop/data/crops.hpp>
#include <advprop/data/image_folder.hpp>

using namespace advprop;

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "usage: lite0 WEIGHTS FOLDER PREDICTIONS\n"), 2;
  const std::map<std::string, int> classes = {
      {"n01440764", 0},   {"n02102040", 217}, {"n02979186", 482}, {"n03000684", 491}, {"n03028079", 497},
      {"n03394916", 566}, {"n03417042", 569}, {"n03425413", 571}, {"n03445777", 574}, {"n03888257", 701}};
  try {
    cpu device;
    model<efficientnet_lite0<1000>, domains<1>, cpu> net(device);
    load(net, argv[1]);
    const image_folder files(argv[2]);
    std::map<std::string, int> theirs;
    std::ifstream in(argv[3]);
    for (std::string name; in >> name;) in >> theirs[name];

    constexpr int size = 224, batch = 25;
    int right = 0, right_theirs = 0, equal = 0;
    for (int first = 0; first < files.size(); first += batch) {
      const int count = std::min(batch, files.size() - first);
      tensor<float, 4> images({count, size, size, 3});
      tensor<int, 1> best({count});
      for (int i = 0; i < count; ++i) {
        byte_image image = files.decode(first + i);
        center_crop{size, 0.875}(image);
        for (std::size_t p = 0; p < image.pixels.size(); ++p)
          images.data()[static_cast<std::size_t>(i) * image.pixels.size() + p] =
              static_cast<float>(image.pixels[p]) / 255.f;
      }
      predict(device, net.forward(images.view(), pass::evaluate()), best.view());
      for (int i = 0; i < count; ++i) {
        const std::string& path = files.path(first + i);
        const std::string name = path.substr(path.rfind('/', path.rfind('/') - 1) + 1);
        const int truth = classes.at(name.substr(0, name.find('/')));
        right += best(i) == truth;
        right_theirs += theirs.at(name) == truth;
        equal += best(i) == theirs.at(name);
      }
    }
    std::printf("%d images: top-1 %.2f %%, PyTorch's %.2f %%; the same class for %d\n", files.size(),
                100.0 * right / files.size(), 100.0 * right_theirs / files.size(), equal);
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "lite0: %s\n", e.what()), 1;
  }
}
