// Training steps and evaluation passes on a GPU, one JSON line each. `bench/gpu/run` runs this beside PyTorch.
//
//   bench_gpu_step [--case resnet50] [--method advprop-pgd5] [--precision bfloat16] [--iterations 20]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <advprop/attacks/pgd.hpp>
#include <advprop/device/repeated.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/ops/cuda.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>

namespace {

using namespace advprop;

struct choices {
  std::string which = "resnet50", method = "advprop-pgd5", precision = "bfloat16";
  int batch = 0, iterations = 20;
};

/// Milliseconds a step.
template <class Network, class Element>
void time_steps(const choices& c, int batch, int extent) {
  using clock = std::chrono::steady_clock;
  using device = basic_cuda<Element>;
  using network = model<Network, domains<2>, device>;
  device gpu(0, c.precision == "tf32" ? float32_products::tf32 : float32_products::exact);
  network net(gpu, seed{1});
  sgd::state<network> optimizer(sgd{.learning_rate = 0.01f, .weight_decay = 5e-4f}, net);
  // On the device, as PyTorch's are here: what is timed is the step, not the way to it.
  image_buffer<device> images(gpu, {batch, extent, extent, network::channels});
  fill_uniform(gpu, random_stream(7), 0, 1, images);
  tensor<int, 1> labels({batch});
  random_stream rng(7);
  for (int& l : labels) l = rng.below(network::classes);
  const labelled_images streams[] = {{const_image_view(images), labels.view()}};

  const int steps = c.method == "advprop-pgd5" ? 5 : c.method == "advprop-pgd1" ? 1 : 0;
  const adversarial_propagation method(
      attack::pgd{.epsilon = steps == 1 ? 1.f : 4.f, .step = 1, .steps = std::max(steps, 1)});
  repeated<device> work;
  update_guard<device> guard(gpu);
  step_metrics before;
  long call = 0;
  // As `fit` does it: each step is queued before the losses of the one before are read.
  const auto once = [&] {
    if (c.method == "evaluate") {
      net.forward(const_image_view(images), pass::evaluate(main_domain));
      gpu.wait();
      return;
    }
    const step_options options{0, rng};
    step_metrics m;
    const long present = work.run(gpu, [&] {
      net.zero_gradients();
      m = steps == 0 ? clean_training{}.gradients(net, streams, options) : method.gradients(net, streams, options);
      m.watch(guard);
      optimizer.step();
    });
    before.settle(gpu, call);
    before = m;
    call = present;
  };
  for (int i = 0; i < 4; ++i) once();  // memory, plans, the first graph
  gpu.memory().reset_peak();
  std::vector<double> times;
  auto last = clock::now();
  for (int i = 0; i < c.iterations; ++i) {
    once();
    const auto now = clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
  }
  gpu.wait();
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  std::printf(
      "{\"framework\": \"advprop\", \"case\": \"%s\", \"method\": \"%s\", \"precision\": \"%s\", \"batch\": %d, "
      "\"ms_per_step\": %.3f, \"ms_min\": %.3f, \"ms_max\": %.3f, \"images_per_second\": %.1f, \"iterations\": %d, "
      "\"peak_mib\": %zu, \"reserved_mib\": %zu}\n",
      c.which.c_str(), c.method.c_str(), c.precision.c_str(), batch, median, times.front(), times.back(),
      1000 * batch / median, c.iterations, gpu.memory().peak() >> 20, gpu.memory().reserved() >> 20);
  std::fflush(stdout);
}

template <class Network>
void run(const choices& c, int batch, int extent) {
  if (c.batch > 0) batch = c.batch;
  if (c.precision == "bfloat16")
    time_steps<Network, bfloat16>(c, batch, extent);
  else
    time_steps<Network, float>(c, batch, extent);
}

using cifar18 = resnet18<10, cifar_stem, normalize<cifar10_statistics>>;
using torchvision_b0 = efficientnet_b0<1000, efficientnet::pytorch_style>;

const std::map<std::string, std::function<void(const choices&)>> cases = {
    {"resnet20-cifar", [](const choices& c) { run<resnet20<10>>(c, 512, 32); }},
    {"resnet18-cifar", [](const choices& c) { run<cifar18>(c, 512, 32); }},
    {"resnet50", [](const choices& c) { run<resnet50<1000>>(c, 256, 224); }},
    {"efficientnet-b0", [](const choices& c) { run<torchvision_b0>(c, 256, 224); }}};

}  // namespace

int main(int argc, char** argv) try {
  choices c;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--case") c.which = value;
    if (name == "--method") c.method = value;
    if (name == "--precision") c.precision = value;
    if (name == "--batch") c.batch = std::atoi(value.c_str());
    if (name == "--iterations") c.iterations = std::max(1, std::atoi(value.c_str()));
  }
  const auto found = cases.find(c.which);
  if (found == cases.end()) fail<argument_error>("--case is ", c.which);
  found->second(c);
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_gpu_step: %s\n", e.what());
  return 1;
}
