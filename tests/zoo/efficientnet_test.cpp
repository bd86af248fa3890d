// EfficientNet-B0 to B7 against timm's with the same weights and images (tests/golden/zoo.py).
#include <doctest/doctest.h>

#include <advprop/models/efficientnet.hpp>

#include "zoo.hpp"

namespace efficientnet_test {

using namespace advprop;
using zoo::check;

TEST_CASE("Logits of timm's tf_efficientnet_b0") { check<efficientnet_b0<1000>>("tf_efficientnet_b0"); }

TEST_CASE("Logits of timm's tf_efficientnet_b1") { check<efficientnet_b1<1000>>("tf_efficientnet_b1"); }

TEST_CASE("Logits of timm's tf_efficientnet_b2") { check<efficientnet_b2<1000>>("tf_efficientnet_b2"); }

TEST_CASE("Logits of timm's tf_efficientnet_b3") { check<efficientnet_b3<1000>>("tf_efficientnet_b3"); }

TEST_CASE("Logits of timm's tf_efficientnet_b4") { check<efficientnet_b4<1000>>("tf_efficientnet_b4"); }

TEST_CASE("Logits of timm's tf_efficientnet_b5") { check<efficientnet_b5<1000>>("tf_efficientnet_b5"); }

TEST_CASE("Logits of timm's tf_efficientnet_b6") { check<efficientnet_b6<1000>>("tf_efficientnet_b6"); }

TEST_CASE("Logits of timm's tf_efficientnet_b7") { check<efficientnet_b7<1000>>("tf_efficientnet_b7"); }

}  // namespace efficientnet_test
