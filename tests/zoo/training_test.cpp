// One training step of a ResNet and of an EfficientNet against torchvision's and timm's (tests/golden/zoo.py).
#include <doctest/doctest.h>

#include <advprop/models/efficientnet.hpp>
#include <advprop/models/resnet.hpp>

#include "zoo.hpp"

namespace training_test {

using namespace advprop;
using zoo::check_training;

TEST_CASE("ResNet-50: gradients of a training pass") { check_training<resnet50<1000>>("resnet50"); }

TEST_CASE("EfficientNet-B0: gradients of a training pass") {
  check_training<efficientnet_b0<1000>>("tf_efficientnet_b0");
}

}  // namespace training_test
