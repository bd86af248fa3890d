#include <advprop/models/resnet.hpp>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <doctest/doctest.h>

#include <advprop/ops/cpu.hpp>

#include <advprop/layers/parameters.hpp>

namespace resnet_test {

using namespace advprop;

// torchvision's and He's numbers.
static_assert(parameters<resnet18<1000>> == 11'689'512);
static_assert(parameters<resnet34<1000>> == 21'797'672);
static_assert(parameters<resnet50<1000>> == 25'557'032);
static_assert(parameters<resnet101<1000>> == 44'549'160);
static_assert(parameters<resnet152<1000>> == 60'192'808);
static_assert(parameters<resnext50_32x4d<1000>> == 25'028'904);
static_assert(parameters<resnet200<1000>> == 64'673'832);
static_assert(parameters<resnet18<10, cifar_stem, normalize<cifar10_statistics>>> == 11'173'962);
static_assert(parameters<resnet34<10, cifar_stem, normalize<cifar10_statistics>>> == 21'282'122);
static_assert(parameters<resnet50<10, cifar_stem, normalize<cifar10_statistics>>> == 23'520'842);
static_assert(parameters<resnet20<10>> == 269'722);
static_assert(parameters<resnet32<10>> == 464'154);
static_assert(parameters<resnet44<10>> == 658'586);
static_assert(parameters<resnet56<10>> == 853'018);
static_assert(parameters<resnet110<10>> == 1'727'962);
static_assert(parameters<resnet20<10, shortcut_option::b>> == 269'722 + 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64);
static_assert(parameters<resnet20<10, shortcut_option::a, normalize<fashion_mnist_statistics>>> ==
              269'722 - 2 * 9 * 16);

// One network serves every image size.
static_assert(resnet50<1000>::output({3, 224, 224}) == shape{1000, 1, 1});
static_assert(resnet50<1000>::output({3, 320, 256}) == shape{1000, 1, 1});
static_assert(resnet::imagenet_stem::output({3, 224, 224}) == shape{64, 56, 56});
static_assert(resnet::cifar_stem::output({3, 32, 32}) == shape{64, 32, 32});
static_assert(resnet::stage<resnet::bottleneck, 256, 128, 2, 4>::output({256, 56, 56}) == shape{512, 28, 28});
static_assert(resnet::cifar_stage<shortcut_option::a, 16, 32, 2, 3>::output({16, 28, 28}) == shape{32, 14, 14});
static_assert(class_count<resnet18<17>> == 17 && class_count<resnet110<100>> == 100);

namespace {

/// Names and shapes, as state_dict() lists them.
template <class Network, class Domains = domains<1>>
std::map<std::string, std::vector<std::int64_t>> state_dict() {
  cpu d(1);
  registry r;
  node<Network, Network::input::channels, Domains, cpu> body;
  body.setup(r, "");
  const parameter_store<Domains, cpu> store(d, r);
  std::map<std::string, std::vector<std::int64_t>> dict;
  for (const parameter& p : store.table()) {
    CHECK(dict.emplace(p.name, p.shape).second);
    if (p.role == role::variance) dict[p.name.substr(0, p.name.rfind('.')) + ".num_batches_tracked"] = {};
  }
  return dict;
}

const nlohmann::json& golden() {
  static const nlohmann::json all =
      nlohmann::json::parse(std::ifstream(ADVPROP_TEST_SOURCE "/golden/state_dict_names.json"));
  return all;
}

template <class Network>
void check_names(const char* name) {
  const auto ours = state_dict<Network>();
  const auto& torch = golden().at(name);
  CHECK(torch.at("parameters").get<long>() == parameters<Network>);
  CHECK(ours.size() == torch.at("tensors").get<std::size_t>());
  if (!torch.contains("state_dict")) return;
  for (const auto& entry : torch.at("state_dict")) {
    INFO(entry.dump());
    const auto found = ours.find(entry[0].get<std::string>());
    REQUIRE(found != ours.end());
    CHECK(found->second == entry[1].get<std::vector<std::int64_t>>());
  }
}

}  // namespace

TEST_CASE("Names and shapes are torchvision's") {
  check_names<resnet18<1000>>("resnet18");
  check_names<resnet34<1000>>("resnet34");
  check_names<resnet50<1000>>("resnet50");
  check_names<resnet101<1000>>("resnet101");
}

TEST_CASE("Names and shapes of the CIFAR networks are those of published weights") {
  check_names<resnet20<10>>("resnet20");
  check_names<resnet56<10>>("resnet56");
  const auto b = state_dict<resnet20<10, shortcut_option::b>>();
  CHECK(b.contains("layer2.0.shortcut.0.weight"));
  CHECK(b.contains("layer3.0.shortcut.1.running_var"));
  CHECK(!b.contains("layer1.0.shortcut.0.weight"));
}

TEST_CASE("Auxiliary sets are named as timm names split batch norms") {
  const auto ours = state_dict<resnet18<1000>, domains<2>>();
  std::size_t auxiliary = 0;
  for (const auto& [name, shape] : ours) auxiliary += name.find("aux_bn") != std::string::npos;
  const auto& timm = golden().at("timm_resnet18_split2").at("auxiliary");
  CHECK(auxiliary == timm.size());
  for (const auto& name : timm) {
    INFO(name.dump());
    CHECK(ours.contains(name.get<std::string>()));
  }
}

TEST_CASE("Every residual branch's last scale may start at zero, and no other") {
  cpu d(1);
  registry r;
  node<resnet18<10>, 3, domains<2>, cpu> body;
  body.setup(r, "");
  const parameter_store<domains<2>, cpu> store(d, r);
  int closing = 0;
  for (const parameter& p : store.table()) {
    closing += p.closes_branch;
    CHECK(p.closes_branch == (p.role == role::scale && p.name.find(".bn2.") != std::string::npos));
  }
  CHECK(closing == 2 * 8);
}

}  // namespace resnet_test
