// The networks that CMake can build into the program: ADVPROP_PROGRAM_MODELS lists names from here, with - for _.
#pragma once

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

}  // namespace advprop::program::networks
