// All of the device in a file of the user's that nvcc compiles, with networks, an attack of the user's own and its
// function: nothing of advprop is linked. A dry run needs no GPU.
#include <cstdio>

#include <advprop/cuda.hpp>

#include <advprop/ops/cuda/all.cuh>

using namespace advprop;

struct half_step {
  template <class Objective, class Images, class Labels>  // named: an nvcc lambda wants that
  void perturb(Objective& objective, Images& images, const Labels& labels, random_stream&) const {
    const auto gradient = objective.input_gradient(images, labels);
    transform(images, gradient, [] ADVPROP_HD(float x, float g) { return clamp(x + 0.5f / 255 * sign(g), 0.f, 1.f); });
  }
};

using network = model<resnet20<10>, domains<2>, cuda>;

int main(int argc, char**) {
  const adversarial_propagation method(half_step{});
  if (argc > 1) {  // compiled here, run where there is a GPU
    cuda device;
    network net(device);
    const dataset data = load_cifar10("cifar-10-batches-bin", split::train);
    fit(net, data, method, sgd{.learning_rate = 0.1f}, {.epochs = 1});
    std::printf("%.2f %%\n", 100 * evaluate(net, data).total.accuracy());
    save(net, "net.safetensors");
    return 0;
  }
  cuda device(dry_run{});
  network net(device);
  const work_plan plan = plan_training(net, method, sgd{}, {.batch = 128, .height = 32, .width = 32});
  std::printf("%zu MiB\n", plan.needed() >> 20);
  return plan.needed() > std::size_t{1} << 20 ? 0 : 1;
}
