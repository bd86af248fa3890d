#include "device_under_test.hpp"

#include <advprop/ops/cpu.hpp>

#include "../training/golden_steps.hpp"

namespace golden_test {

using namespace golden_steps;

TEST_CASE("ResNet-20 on the CUDA device: five AdvProp steps on given adversarial images equal PyTorch's") {
  cuda device;
  for_resnet20(device).given(execution::sequential);
}

#ifdef ADVPROP_GPU_TESTS  // the stand-in would take minutes
TEST_CASE("ResNet-20 on the CUDA device: concatenated passes, and the attack of our own") {
  cuda device;
  auto s = for_resnet20(device);
  s.given(execution::concatenated);
  s.own();
}
TEST_CASE("CIFAR ResNet-18 on the CUDA device: five AdvProp steps equal PyTorch's") {
  cuda device;
  auto s = for_resnet18(device);
  s.given(execution::sequential);
  s.own();
}
#endif

}  // namespace golden_test
