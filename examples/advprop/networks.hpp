// The networks that CMake can build into the program: ADVPROP_PROGRAM_MODELS lists names from here, with - for _.
#pragma once

#include <advprop/models/efficientnet.hpp>
#include <advprop/models/resnet.hpp>

namespace advprop::program::networks {

template <int Classes, class Input>
using resnet20 = advprop::resnet20<Classes, shortcut_option::a, Input>;
template <int Classes, class Input>
using resnet20_b = advprop::resnet20<Classes, shortcut_option::b, Input>;
template <int Classes, class Input>
using resnet32 = advprop::resnet32<Classes, shortcut_option::a, Input>;
template <int Classes, class Input>
using resnet44 = advprop::resnet44<Classes, shortcut_option::a, Input>;
template <int Classes, class Input>
using resnet56 = advprop::resnet56<Classes, shortcut_option::a, Input>;
template <int Classes, class Input>
using resnet56_b = advprop::resnet56<Classes, shortcut_option::b, Input>;
template <int Classes, class Input>
using resnet110 = advprop::resnet110<Classes, shortcut_option::a, Input>;

// For the small images here, with the stem for those.
template <int Classes, class Input>
using resnet18 = advprop::resnet18<Classes, cifar_stem, Input>;
template <int Classes, class Input>
using resnet34 = advprop::resnet34<Classes, cifar_stem, Input>;
template <int Classes, class Input>
using resnet50 = advprop::resnet50<Classes, cifar_stem, Input>;

// With the ImageNet stem, for images around 224x224.
template <int Classes, class Input>
using resnet18_imagenet = advprop::resnet18<Classes, imagenet_stem, Input>;
template <int Classes, class Input>
using resnet34_imagenet = advprop::resnet34<Classes, imagenet_stem, Input>;
template <int Classes, class Input>
using resnet50_imagenet = advprop::resnet50<Classes, imagenet_stem, Input>;
template <int Classes, class Input>
using resnet101_imagenet = advprop::resnet101<Classes, imagenet_stem, Input>;
template <int Classes, class Input>
using resnet152_imagenet = advprop::resnet152<Classes, imagenet_stem, Input>;

// As the authors have them; timm's `tf_efficientnet_*`.
template <int Classes, class Input>
using efficientnet_b0 = advprop::efficientnet_b0<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_b1 = advprop::efficientnet_b1<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_b2 = advprop::efficientnet_b2<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_b3 = advprop::efficientnet_b3<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_b4 = advprop::efficientnet_b4<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_b5 = advprop::efficientnet_b5<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_b6 = advprop::efficientnet_b6<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_b7 = advprop::efficientnet_b7<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_b8 = advprop::efficientnet_b8<Classes, efficientnet::tensorflow_style, Input>;
template <int Classes, class Input>
using efficientnet_lite0 = advprop::efficientnet_lite0<Classes, efficientnet::lite_style, Input>;
template <int Classes, class Input>
using efficientnet_lite1 = advprop::efficientnet_lite1<Classes, efficientnet::lite_style, Input>;
template <int Classes, class Input>
using efficientnet_lite2 = advprop::efficientnet_lite2<Classes, efficientnet::lite_style, Input>;

// As torchvision has them; its weights are for these, not for those above. B0 to B4 are timm's `efficientnet_*`, too.
template <int Classes, class Input>
using efficientnet_b0_torchvision = advprop::efficientnet_b0<Classes, efficientnet::pytorch_style, Input>;
template <int Classes, class Input>
using efficientnet_b1_torchvision = advprop::efficientnet_b1<Classes, efficientnet::pytorch_style, Input>;
template <int Classes, class Input>
using efficientnet_b2_torchvision = advprop::efficientnet_b2<Classes, efficientnet::pytorch_style, Input>;
template <int Classes, class Input>
using efficientnet_b3_torchvision = advprop::efficientnet_b3<Classes, efficientnet::pytorch_style, Input>;
template <int Classes, class Input>
using efficientnet_b4_torchvision = advprop::efficientnet_b4<Classes, efficientnet::pytorch_style, Input>;
template <int Classes, class Input>
using efficientnet_b5_torchvision = advprop::efficientnet_b5<Classes, efficientnet::torchvision_large_style, Input>;
template <int Classes, class Input>
using efficientnet_b6_torchvision = advprop::efficientnet_b6<Classes, efficientnet::torchvision_large_style, Input>;
template <int Classes, class Input>
using efficientnet_b7_torchvision = advprop::efficientnet_b7<Classes, efficientnet::torchvision_large_style, Input>;

}  // namespace advprop::program::networks
