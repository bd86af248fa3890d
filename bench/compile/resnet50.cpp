// What a user's ResNet-50 training program costs to compile: cmake/compile_budget.sh measures it, nobody runs it.
#include <advprop/advprop.hpp>

using namespace advprop;

int main() {
  cpu device;
  model<resnet50<1000>, domains<2>, cpu> net(device, seed{1});
  const dataset train = load_cifar10("cifar-10-batches-bin", split::train);
  fit(net, train, adversarial_propagation(attack::pgd::paper(4)), sgd{.weight_decay = 1e-4f}, {.epochs = 105});
  save(net, main_domain, "resnet50.safetensors");
}
