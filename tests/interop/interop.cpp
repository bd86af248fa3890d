// What the scripts of this folder compare with ONNX Runtime and timm:
//   interop onnx FOLDER          networks as ONNX files, each with images and our logits
//   interop write FOLDER         ours.safetensors: ResNet-18 of three domains; ours_logits.safetensors: its training
//   pass interop read FOLDER          timm.safetensors goes through the same pass: timm_logits.safetensors
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <advprop/ops/cpu.hpp>

#include <advprop/core/tensor.hpp>
#include <advprop/io/checkpoint.hpp>
#include <advprop/io/onnx.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/models/resnet.hpp>

#include "../io/onnx_networks.hpp"
#include "split.hpp"

using namespace advprop;

namespace {

tensor<float, 4> some_images(int batch, int height, int width, int channels) {
  tensor<float, 4> t({batch, height, width, channels});
  random_stream r(7);
  for (float& v : t) v = r.uniform();
  return t;
}

/// `extent` 0: the file takes any size, and two are tried.
template <class Network, class Domains = domains<1>>
void write_onnx(const std::string& folder, const std::string& name, int extent, domain through = main_domain) {
  cpu device(2);
  model<Network, Domains, cpu> net(device, seed{1});
  onnx_networks::scramble(net, 5);
  for (const bool fold : {true, false}) {
    const std::string path = folder + "/" + name + (fold ? "" : "-unfolded");
    export_onnx(net, path + ".onnx",
                {.domain = through, .fold_batch_norm = fold, .height = extent, .width = extent ? extent + 8 : 0});
    safetensors_writer out;
    const std::vector<int> heights = extent ? std::vector{extent} : std::vector{32, 47};
    for (std::size_t i = 0; i < heights.size(); ++i) {
      const auto x = some_images(3, heights[i], heights[i] + 8, Network::input::channels);
      out.add("images" + std::to_string(i), {3, heights[i], heights[i] + 8, Network::input::channels},
              std::vector<float>(x.begin(), x.end()));
      out.add("logits" + std::to_string(i), {3, net.classes},
              interop::logits_of(net.forward(x, pass::evaluate(through))));
    }
    out.write(path + ".safetensors");
  }
}

void write_all_onnx(const std::string& folder) {
  using two = domains<2>;
  write_onnx<resnet20<10>, two>(folder, "resnet20", 0);
  write_onnx<resnet20<10>, two>(folder, "resnet20-auxiliary", 32, two::auxiliary(0));
  write_onnx<resnet20<10, shortcut_option::b>>(folder, "resnet20-projections", 0);
  write_onnx<resnet20<10, shortcut_option::a, normalize<fashion_mnist_statistics>>>(folder, "resnet20-grey", 0);
  write_onnx<resnet18<1000>>(folder, "resnet18", 0);
  write_onnx<resnet50<1000>>(folder, "resnet50", 0);
  write_onnx<efficientnet_b0<1000>>(folder, "efficientnet-b0", 0);
  write_onnx<efficientnet_b0<1000>>(folder, "efficientnet-b0-sized", 75);
  write_onnx<efficientnet_lite0<1000>>(folder, "efficientnet-lite0", 0);
  write_onnx<onnx_networks::everything>(folder, "everything", 0);
  write_onnx<onnx_networks::everything>(folder, "everything-sized", 41);
}

void split_logits(interop::network& net, const std::string& path) {
  const auto logits = interop::training_pass(net);
  safetensors_writer out;
  out.add("logits", {interop::batch, 10}, std::span<const float>(logits));
  out.write(path);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string what = argc == 3 ? argv[1] : "", folder = argc == 3 ? argv[2] : "";
  cpu device(2);
  if (what == "onnx") {
    write_all_onnx(folder);
  } else if (what == "write") {
    interop::network net(device);
    interop::generate(net);
    save(net, folder + "/ours.safetensors");
    split_logits(net, folder + "/ours_logits.safetensors");
  } else if (what == "read") {
    interop::network net(device);
    const load_report report = load(net, folder + "/timm.safetensors");
    if (report.auxiliary_from_main || report.auxiliary_ignored) fail("the auxiliary sets did not come through");
    split_logits(net, folder + "/timm_logits.safetensors");
    save(net, folder + "/timm_after.safetensors");  // its running statistics have moved
  } else {
    std::fprintf(stderr, "usage: %s onnx|write|read FOLDER\n", argv[0]);
    return 2;
  }
} catch (const advprop::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
