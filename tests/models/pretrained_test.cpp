#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <string>

#include <advprop/data/cifar.hpp>
#include <advprop/io/checkpoint.hpp>
#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/training/evaluate.hpp>

namespace pretrained_test {

using namespace advprop;

namespace {

#ifdef ADVPROP_TEST_DATA
using input = normalize<imagenet_statistics>;  // what these weights were trained with

template <class Network>
evaluation test_error(const char* file) {
  cpu device(2);
  model<Network, domains<1>, cpu> net(device);
  load(net, std::string(ADVPROP_TEST_DATA "/") + file);
  return evaluate(net, load_cifar10(ADVPROP_TEST_DATA "/cifar-10-batches-bin", split::test));
}
#endif

}  // namespace

TEST_CASE("published ResNet-20 weights load by their PyTorch names and make exactly 827 errors on CIFAR-10") {
#ifdef ADVPROP_TEST_DATA
  const evaluation e = test_error<resnet20<10, shortcut_option::a, input>>("resnet20-cifar10-12fca82f.safetensors");
  CHECK(e.total.images == 10000);
  CHECK(e.total.images - e.total.correct == 827);
#else
  MESSAGE("skipped: ADVPROP_TEST_DATA is not set");
#endif
}

TEST_CASE("published ResNet-56 weights load by their PyTorch names and make exactly 661 errors on CIFAR-10") {
#ifdef ADVPROP_TEST_DATA
  const evaluation e = test_error<resnet56<10, shortcut_option::a, input>>("resnet56-cifar10-4bfd9763.safetensors");
  CHECK(e.total.images == 10000);
  CHECK(e.total.images - e.total.correct == 661);
#else
  MESSAGE("skipped: ADVPROP_TEST_DATA is not set");
#endif
}

}  // namespace pretrained_test
