// Asks cuDNN for its plans of every convolution of a training step, for GPUs that are only described (gpus/*.json). No
// GPU is needed: what this finds is what cuda_state::convolve will be given.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <advprop/advprop.hpp>
#include <advprop/io/file.hpp>
#include <advprop/ops/cuda/cudnn.hpp>

using namespace advprop;
using namespace advprop::detail;

namespace {

cudnn_descriptor described(const std::string& gpu) {
  const auto json = read_file<char>(ADVPROP_TEST_SOURCE "/cuda/gpus/" + gpu + ".json");
  cudnn_descriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  d.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::ssize(json), json.data()).finalize();
  return d;
}

/// The convolutions that a training step leaves to cuDNN.
template <class Network>
std::vector<conv_problem> convolutions(int batch, int size) {
  cpu device{dry_run{}};
  model<Network, domains<2>, cpu> net(device);
  const adversarial_propagation method(attack::pgd{.steps = 1});
  const work_plan plan = plan_training(net, method, sgd{}, {batch, size, size});
  std::vector<conv_problem> found;
  for (const work_item& i : plan.items) {
    const conv_spec& s = i.conv;
    if (i.engine[0] == 0 || (s.groups > 1 && s.groups == s.in && s.in == s.out)) continue;
    for (const auto pass : {conv_problem::forward, conv_problem::backward_input, conv_problem::backward_weight}) {
      const conv_problem p{pass, s, i.batch, i.in.height, i.in.width, i.out.height, i.out.width};
      if (std::find(found.begin(), found.end(), p) == found.end()) found.push_back(p);
    }
  }
  return found;
}

struct precision {
  element_type type;
  float32_products products;
};

void check(const std::string& gpu, const char* network, std::vector<conv_problem> problems) {
  const cudnn_descriptor properties = described(gpu);
  REQUIRE(problems.size() > 10);
  for (const precision& p : {precision{element_type::float32, float32_products::exact},
                             {element_type::float32, float32_products::tf32},
                             {element_type::bfloat16, float32_products::exact}}) {
    std::size_t largest = 0, plans = 0;
    for (conv_problem& q : problems) {
      q.type = p.type;
      q.products = p.products;
      std::vector<cudnn_plan> found;
      CHECK_NOTHROW(found = find_plans(q, {nullptr, &properties}, {4, 2}));
      CAPTURE(describe(q));
      CHECK(!found.empty());
      for (const cudnn_plan& f : found) CHECK(f.workspace <= most_workspace(q));  // what a dry run reckons with
      plans += found.size();
      if (!found.empty()) largest = std::max(largest, found[0].workspace);
    }
    std::printf("%s, %s, %s: %zu convolutions, %zu plans, largest workspace of a first choice %zu MiB\n", gpu.c_str(),
                network,
                p.type == element_type::bfloat16       ? "bfloat16"
                : p.products == float32_products::tf32 ? "tf32"
                                                       : "float32",
                problems.size(), plans, largest >> 20);
  }
}

}  // namespace

TEST_CASE("cuDNN has plans for every convolution of ResNet-20, ResNet-50 and EfficientNet-B0") {
  for (const char* gpu : {"h100", "a100"}) {
    check(gpu, "ResNet-20, batch 128", convolutions<resnet20<10>>(128, 32));
    check(gpu, "ResNet-50, batch 256", convolutions<resnet50<1000>>(256, 224));
    check(gpu, "EfficientNet-B0, batch 256", convolutions<efficientnet_b0<1000>>(256, 224));
  }
}

TEST_CASE("cuDNN has plans for odd channels, alignments and grouped convolutions") {
  const cudnn_descriptor h100 = described("h100");
  for (const conv_spec& s :
       {conv_spec{13, 7, 3, 2, 1, 1}, {1, 1, 3, 1, 1, 1}, {128, 128, 3, 1, 1, 32}, {12, 24, 5, 1, 2, 4}})
    for (const auto pass : {conv_problem::forward, conv_problem::backward_input, conv_problem::backward_weight})
      for (const auto type : {element_type::float32, element_type::bfloat16}) {
        conv_problem p{pass, s, 3, 9, 11, s.output(9), s.output(11), type};
        p.alignment = type == element_type::float32 ? 4 : 2;
        CAPTURE(describe(p));
        CHECK(!find_plans(p, {nullptr, &h100}, {2, 2}).empty());
      }
}

#ifdef ADVPROP_TEST_DRIVER
TEST_CASE("cuDNN fuses bias, add and activation into convolutions, and adds into input gradients, in bfloat16") {
  for (const char* gpu : {"h100", "a100"}) {
    const cudnn_descriptor properties = described(gpu);
    for (const conv_spec& s : {conv_spec{64, 64, 3, 1, 1, 1}, {128, 128, 3, 2, 1, 1}, {256, 64, 1, 1, 0, 1}})
      for (const auto pass : {conv_problem::forward, conv_problem::backward_input}) {
        const bool forward = pass == conv_problem::forward;
        conv_problem p{pass, s, 256, 56, 56, s.output(56), s.output(56), element_type::bfloat16};
        p.bias = forward;
        p.add = true;
        p.after = forward ? activation::relu : activation::identity;
        CAPTURE(gpu);
        CAPTURE(describe(p));
        CHECK(!find_plans(p, {nullptr, &properties}, {1, 1}).empty());
      }
  }
}

TEST_CASE("Fused, an H100 is offered the engine with its own matrix instructions besides those made for an A100") {
  const cudnn_descriptor h100 = described("h100");
  conv_problem p{conv_problem::forward, {256, 256, 3, 1, 1, 1}, 256, 14, 14, 14, 14, element_type::bfloat16};
  p.bias = true;
  p.after = activation::relu;
  std::vector<std::int64_t> engines;
  for (const cudnn_plan& plan : find_plans(p, {nullptr, &h100}, {16, 1}))
    engines.push_back(cudnn_graph::engine_of(plan.configuration).number(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
  std::string text;
  for (const std::int64_t e : engines) text += " " + std::to_string(e);
  MESSAGE("engines" << text);
  CHECK(engines.size() >= 2);
  for (const std::int64_t e : engines) CHECK(std::count(engines.begin(), engines.end(), e) == 1);
}

TEST_CASE("Several threads compile fused convolutions, of whose plans' texts the same plans are made") {
  const cudnn_descriptor h100 = described("h100");
  std::vector<conv_problem> problems;
  for (const int channels : {64, 128}) {
    conv_problem p{conv_problem::backward_input, {channels, channels, 3, 1, 1, 1}, 64, 14, 14, 14, 14,
                   element_type::bfloat16};
    p.mask = activation::relu;
    problems.push_back(p);
  }
  problems.push_back(problems[0]);
  problems.back().alignment = 1;  // refused, as it is alone
  const plan_limits limits{16, 1};
  const auto plans = find_plans(problems, 2, h100, {nullptr, &h100}, limits, [] {});
  REQUIRE(plans.size() == 3);
  CHECK(!plans[1].empty());
  CHECK(plans[2].empty());
  const auto alone = find_plans(problems[0], {nullptr, &h100}, limits);
  REQUIRE(plans[0].size() == alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    const auto engine = [](const cudnn_plan& p) {
      return cudnn_graph::engine_of(p.configuration).number(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    };
    CHECK(engine(plans[0][i]) == engine(alone[i]));
    CHECK(plans[0][i].plan.number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) == std::int64_t(alone[i].workspace));
    CHECK(text_of(plans[0][i]).size() > 10000);  // the code is in it
  }
}

TEST_CASE(
    "cuDNN sends input gradients through the activation below as it stores them, behind the add if there is one") {
  struct shape_of_one {
    conv_spec s;
    bool add;
    activation mask;
  };
  for (const char* gpu : {"h100", "a100"}) {
    const cudnn_descriptor properties = described(gpu);
    for (const element_type type : {element_type::bfloat16, element_type::float32})
      for (const shape_of_one& o : {shape_of_one{{128, 128, 3, 2, 1, 1}, false, activation::relu},
                                    {{64, 256, 1, 1, 0, 1}, false, activation::relu6},
                                    {{256, 64, 1, 1, 0, 1}, true, activation::relu}}) {
        conv_problem p{conv_problem::backward_input, o.s, 256, 56, 56, o.s.output(56), o.s.output(56), type};
        p.add = o.add;
        p.mask = o.mask;
        CAPTURE(gpu);
        CAPTURE(describe(p));
        CHECK(!find_plans(p, {nullptr, &properties}, {1, 1}).empty());
      }
  }
}

TEST_CASE("cuDNN takes statistics with every convolution that ResNet-50 has a batch norm behind, in bfloat16") {
  for (const char* gpu : {"h100", "a100"}) {
    const cudnn_descriptor properties = described(gpu);
    int asked = 0;
    for (conv_problem p : convolutions<resnet50<1000>>(256, 224)) {
      if (p.pass != conv_problem::forward) continue;
      p.type = element_type::bfloat16;
      p.statistics = true;
      CAPTURE(gpu);
      CAPTURE(describe(p));
      CHECK(!find_plans(p, {nullptr, &properties}, {1, 1}).empty());
      ++asked;
    }
    CHECK(asked > 10);
  }
}
#endif

TEST_CASE("A convolution that cuDNN refuses is named") {
  const cudnn_descriptor h100 = described("h100");
  conv_problem p{conv_problem::forward, {8, 16, 3, 1, 1, 1}, 1, 4, 4, 4, 4};
  p.alignment = 1;  // floats do not lie like that
  CHECK_THROWS_WITH_AS(find_plans(p, {nullptr, &h100}, {1, 1}),
                       doctest::Contains("(forward convolution: 8 to 16 channels, kernel 3, stride 1, groups 1, images "
                                         "1 x 4x4, float32)"),
                       error);
}
