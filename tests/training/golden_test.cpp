#include <advprop/ops/cpu.hpp>

#include "golden_steps.hpp"

namespace golden_test {

using namespace golden_steps;

TEST_CASE("ResNet-20: five AdvProp steps on given adversarial images equal PyTorch's") {
  cpu device(2);
  auto s = for_resnet20(device);
  s.given(execution::sequential);
  s.given(execution::concatenated);
}

TEST_CASE("ResNet-20: five AdvProp steps with the attack of our own follow PyTorch's") {
  cpu device(2);
  auto s = for_resnet20(device);
  s.own();
}

TEST_CASE("CIFAR ResNet-18: five AdvProp steps on given adversarial images equal PyTorch's") {
  cpu device(2);
  auto s = for_resnet18(device);
  s.given(execution::sequential);
}

TEST_CASE("CIFAR ResNet-18: five AdvProp steps with the attack of our own follow PyTorch's") {
  cpu device(2);
  auto s = for_resnet18(device);
  s.own();
}

}  // namespace golden_test
