// Every network against torchvision's or timm's with the same weights and images (tests/golden/zoo.py).
#include <doctest/doctest.h>

#include <advprop/models/efficientnet.hpp>
#include <advprop/models/resnet.hpp>

#include "zoo.hpp"

namespace logits_test {

using namespace advprop;
using zoo::check;

TEST_CASE("Logits of torchvision's ResNets") {
  check<resnet18<1000>>("resnet18");
  check<resnet34<1000>>("resnet34");
  check<resnet50<1000>>("resnet50");
  check<resnet101<1000>>("resnet101");
  check<resnet152<1000>>("resnet152");
  check<resnext50_32x4d<1000>>("resnext50_32x4d");
}

TEST_CASE("Logits of timm's EfficientNet with symmetric padding") {
  check<efficientnet_b0<1000, efficientnet::pytorch_style>>("efficientnet_b0");
}

TEST_CASE("Logits of timm's EfficientNet-Lite") {
  check<efficientnet_lite0<1000>>("tf_efficientnet_lite0");
  check<efficientnet_lite1<1000>>("tf_efficientnet_lite1");
  check<efficientnet_lite2<1000>>("tf_efficientnet_lite2");
}

}  // namespace logits_test
