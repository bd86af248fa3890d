// Training steps and evaluation passes on a GPU, a JSON line each as soon as it is measured. `bench/gpu/run` runs this
// beside PyTorch.
//
//   bench_gpu_step [--case resnet50 ...] [--method advprop-pgd5 ...] [--precision bfloat16] [--engines timed]
//                  [--batch 256] [--iterations 20] [--trace libcupti.so.13] | --check
//
// --trace adds what ran in a step, as CUPTI notes it, beside the work that was planned and the most that the GPU does.
// All cases and methods run on one device, one after the other, so that cuDNN's plans for a network are made once.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#if __has_include(<cupti.h>)
#include "trace.hpp"
#define ADVPROP_BENCH_TRACE
#endif

#include <advprop/attacks/pgd.hpp>
#include <advprop/device/repeated.hpp>
#include <advprop/layers/feature_map.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/ops/cuda.hpp>
#include <advprop/training/methods.hpp>
#include <advprop/training/optimizers.hpp>
#include <advprop/training/plan.hpp>

namespace {

using namespace advprop;

struct choices {
  std::vector<std::string> cases = {"resnet50"}, methods = {"advprop-pgd5"};
  std::string precision = "bfloat16", engines = "timed", trace;
  int batch = 0, iterations = 20;  // 0: the case's own
};

using clock = std::chrono::steady_clock;
double milliseconds_since(clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(clock::now() - begin).count();
}

#ifdef ADVPROP_BENCH_TRACE
/// What the GPU does at most: products of large matrices, 1e12 operations a second, and copies, 1e9 bytes a second,
/// each byte read and written.
template <class Element>
nlohmann::json peaks(basic_cuda<Element>& gpu) {
  using device = basic_cuda<Element>;
  constexpr int n = 8192, times = 10;
  constexpr double square = double{n} * n;
  feature_map<device> a(gpu, n, {n, 1, 1}), b(gpu, n, {n, 1, 1});
  const image_buffer<device> weights(gpu, {n, n, 1, 1});
  fill_normal(gpu, random_stream(7), weights);
  random_stream rng(7);  // of zeros a GPU makes products faster
  std::vector<Element> numbers(static_cast<std::size_t>(square));
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = i < 4096 ? Element(rng.uniform() - 0.5f) : numbers[i % 4093];
  memory_copy(gpu, {numbers.data(), n, n, 1, 1}, a);
  const auto seconds = [&](auto operation) {
    operation();
    gpu.wait();
    const auto begin = clock::now();
    for (int i = 0; i < times; ++i) operation();
    gpu.wait();
    return milliseconds_since(begin) / 1000 / times;
  };
  const double product = seconds([&] { linear_forward(gpu, a, weights.data(), nullptr, b); });
  const double copy = seconds([&] { memory_copy(gpu, a, b); });
  return {{"tera_operations", 2 * square * n / product * 1e-12},
          {"gigabytes", 2 * square * sizeof(Element) / copy * 1e-9}};
}

/// What was planned, by operation: how many, floating-point operations, bytes.
nlohmann::json work_of(const work_plan& plan) {
  struct sums {
    int count = 0;
    double flops = 0, bytes = 0;
  };
  std::map<std::string, sums> all;
  for (const work_item& i : plan.items) {
    sums& s = all[std::string(i.operation) + (i.engine == std::string("depthwise") ? " depthwise" : "")];
    ++s.count, s.flops += i.flops, s.bytes += i.read + i.written;
  }
  nlohmann::json j = nlohmann::json::array();
  for (const auto& [operation, s] : all) j.push_back({operation, s.count, s.flops, s.bytes});
  return j;
}
#endif

/// The numbers of a row, as members of a JSON object.
template <class Network, class Element>
std::string time_steps(basic_cuda<Element>& gpu, const choices& c, const std::string& called, int batch, int extent) {
  using device = basic_cuda<Element>;
  using network = model<Network, domains<2>, device>;
  const auto begin = clock::now();
  network net(gpu, seed{1});
  // On the device, as PyTorch's are here: what is timed is the step, not the way to it.
  image_buffer<device> images(gpu, {batch, extent, extent, network::channels});
  fill_uniform(gpu, random_stream(7), 0, 1, images);
  tensor<int, 1> labels({batch});
  random_stream rng(7);
  for (int& l : labels) l = rng.below(network::classes);
  const labelled_images streams[] = {{const_image_view(images), labels.view()}};

  const int steps = called == "advprop-pgd5" ? 5 : called == "advprop-pgd1" ? 1 : 0;
  const adversarial_propagation method(
      attack::pgd{.epsilon = steps == 1 ? 1.f : 4.f, .step = 1, .steps = std::max(steps, 1)});
  // As `fit` and `evaluate` do.
  device dry(dry_run{}, gpu);
  network twin(dry);
  const sgd rule{.learning_rate = 0.01f, .weight_decay = 5e-4f};
  const plan_options planned{batch, extent, extent};
  const work_plan plan = called == "evaluate" ? plan_evaluation(twin, batch, extent, extent)
                         : steps == 0         ? plan_training(twin, clean_training{}, rule, planned)
                                              : plan_training(twin, method, rule, planned);
  gpu.prepare(dry);
  const double prepared = milliseconds_since(begin) / 1000;

  sgd::state<network> optimizer(rule, net);
  repeated<device> work;
  update_guard<device> guard(gpu);
  step_metrics before;
  long call = 0;
  // As `fit` does it: each step is queued before the losses of the one before are read.
  const auto once = [&] {
    if (called == "evaluate") {
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
  const double warm_up = milliseconds_since(begin) / 1000;
  gpu.memory().reset_peak();
  std::vector<double> times;
  auto last = clock::now();
  for (int i = 0; i < c.iterations; ++i) {
    once();
    times.push_back(milliseconds_since(last));
    last = clock::now();
  }
  gpu.wait();
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  const cuda_counts counts = gpu.counts();  // of all steps so far on this device
  char row[560];
  std::snprintf(
      row, sizeof row,
      "\"ms_per_step\": %.3f, \"ms_min\": %.3f, \"ms_max\": %.3f, \"images_per_second\": %.1f, "
      "\"iterations\": %d, \"prepared_s\": %.1f, \"warm_up_s\": %.1f, \"peak_mib\": %zu, \"reserved_mib\": %zu, "
      "\"graphs\": %ld, \"graph_updates\": %ld, \"fused\": %ld, \"apart\": %ld, \"engines_refused\": %ld, "
      "\"prepared\": %ld",
      median, times.front(), times.back(), 1000 * batch / median, c.iterations, prepared, warm_up,
      gpu.memory().peak() >> 20, gpu.memory().reserved() >> 20, counts.graphs, counts.graph_updates, counts.fused,
      counts.apart, counts.engines_refused, counts.prepared);
  if (c.trace.empty()) return row;
#ifdef ADVPROP_BENCH_TRACE
  constexpr int traced = 3;
  bench::gpu_trace trace(c.trace);
  once();
  gpu.wait();
  trace.take();
  for (int i = 0; i < traced; ++i) once();
  gpu.wait();
  nlohmann::json found = bench::summary_of(trace.take(), traced);
  found["work"] = work_of(plan);
  found["most"] = peaks(gpu);
  return row + (", \"trace\": " + found.dump());
#else
  fail("--trace: built without CUPTI's header");
#endif
}

template <class Element>
struct timed_case {
  int batch, extent;
  std::string (*time)(basic_cuda<Element>&, const choices&, const std::string& method, int batch, int extent);
};

using cifar18 = resnet18<10, cifar_stem, normalize<cifar10_statistics>>;
using torchvision_b0 = efficientnet_b0<1000, efficientnet::pytorch_style>;

template <class T>
const std::map<std::string, timed_case<T>> cases = {{"resnet20-cifar", {512, 32, time_steps<resnet20<10>, T>}},
                                                    {"resnet18-cifar", {512, 32, time_steps<cifar18, T>}},
                                                    {"resnet50", {256, 224, time_steps<resnet50<1000>, T>}},
                                                    {"efficientnet-b0", {256, 224, time_steps<torchvision_b0, T>}}};

/// Whether every row could be measured; one that could not says why, and the next begins.
template <class Element>
bool run(const choices& c) {
  basic_cuda<Element> gpu(0, c.precision == "tf32" ? float32_products::tf32 : float32_products::exact,
                          c.engines == "fixed"        ? engine_choice::fixed
                          : c.engines == "exhaustive" ? engine_choice::exhaustive
                                                      : engine_choice::timed);
  bool all = true;
  for (const auto& name : c.cases)
    for (const auto& method : c.methods) {
      const auto& [own_batch, extent, time] = cases<Element>.at(name);
      const int batch = c.batch > 0 ? c.batch : own_batch;
      std::string row;
      try {
        row = time(gpu, c, method, batch, extent);
      } catch (const std::exception& e) {
        row = "\"failure\": " + nlohmann::json(e.what()).dump();
        all = false;
      }
      std::printf(
          "{\"framework\": \"advprop\", \"case\": \"%s\", \"method\": \"%s\", \"precision\": \"%s\", "
          "\"engines\": \"%s\", \"batch\": %d, %s}\n",
          name.c_str(), method.c_str(), c.precision.c_str(), c.engines.c_str(), batch, row.c_str());
      std::fflush(stdout);
    }
  return all;
}

/// Whether a kernel runs here: throws where it does not.
void check() {
  cuda gpu;
  image_buffer<cuda> images(gpu, {1, 1, 1, 1});
  fill_uniform(gpu, random_stream(7), 0, 1, images);
  gpu.wait();
}

std::string one_of(const std::string& option, const std::string& value, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) == known.end()) fail<argument_error>(option, " is ", value);
  return value;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv + 1, argv + argc);
  choices c;
  for (auto word = words.begin(); word != words.end();) {
    const std::string option = *word++;
    if (option == "--check") {
      check();
      return 0;
    }
    std::vector<std::string> values;
    while (word != words.end() && !word->starts_with("--")) values.push_back(*word++);
    if (values.empty()) fail<argument_error>(option, " has no value");
    const auto each = [&](const std::vector<std::string>& known) {
      for (const auto& v : values) one_of(option, v, known);
      return values;
    };
    if (option == "--case")
      c.cases = each({"resnet20-cifar", "resnet18-cifar", "resnet50", "efficientnet-b0"});
    else if (option == "--method")
      c.methods = each({"evaluate", "clean", "advprop-pgd1", "advprop-pgd5"});
    else if (values.size() > 1)
      fail<argument_error>(option, " takes one value");
    else if (option == "--precision")
      c.precision = one_of(option, values[0], {"bfloat16", "tf32", "float32"});
    else if (option == "--engines")
      c.engines = one_of(option, values[0], {"timed", "exhaustive", "fixed"});
    else if (option == "--trace")
      c.trace = values[0];
    else if (option == "--batch")
      c.batch = std::atoi(values[0].c_str());
    else if (option == "--iterations")
      c.iterations = std::max(1, std::atoi(values[0].c_str()));
    else
      fail<argument_error>("there is no option ", option);
  }
  const bool all = c.precision == "bfloat16" ? run<bfloat16>(c) : run<float>(c);
  return all ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_gpu_step: %s\n", e.what());
  return 1;
}
