// What a user's EfficientNet-B7 training program costs to compile: cmake/compile_budget.sh measures it, nobody runs it.
#include <advprop/advprop.hpp>
#include <advprop/data/crops.hpp>
#include <advprop/data/image_folder.hpp>

using namespace advprop;

int main() {
  cpu device;
  model<efficientnet_b7<1000>, domains<2>, cpu> net(device, seed{1});
  const image_folder files("imagenet/train");
  const folder_view train(files, {.size = 600}, pipeline(random_resized_crop{600}, horizontal_flip{}));
  fit(net, train, adversarial_propagation(attack::pgd::paper(4)), rmsprop{},
      {.epochs = 350, .schedule = schedule::staircase().warmed_up(5), .label_smoothing = 0.1f});
  save(net, main_domain, "efficientnet-b7.safetensors");
}
