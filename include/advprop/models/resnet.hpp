// Residual networks: torchvision's for ImageNet (also with a CIFAR stem, also ResNeXt), and He's for CIFAR.
#pragma once

#include <advprop/models/architecture.hpp>

namespace advprop {

namespace resnet {

template <int Out, int Kernel, int Stride = 1>
using conv = convolution<Out, Kernel, Stride>;

/// 1x1 convolution and batch norm: option B of He et al. 2015 where shapes change.
template <label Name, int Out, int Stride>
using projection = named<Name, sequential<conv<Out, 1, Stride>, batch_norm<>>>;

/// The shortcut of a block: nothing where the shape stays.
template <int In, int Out, int Stride>
struct shortcut_of {
  using type = projection<"downsample", Out, Stride>;
};
template <int Width>
struct shortcut_of<Width, Width, 1> {
  using type = identity;
};

template <int Width, class Shortcut, int Stride>
using basic_body = residual<sequential<named<"conv1", conv<Width, 3, Stride>>, named<"bn1", batch_norm<>>, relu,
                                       named<"conv2", conv<Width, 3>>, named<"bn2", batch_norm<>>>,
                            Shortcut, relu>;

/// Two 3x3 convolutions (ResNet-18 and 34).
template <int In, int Width, int Stride>
struct basic_block : basic_body<Width, typename shortcut_of<In, Width, Stride>::type, Stride> {
  static constexpr int width = Width;
};

template <int Inner, int Out, class Shortcut, int Stride, int Groups>
using bottleneck_body =
    residual<sequential<named<"conv1", conv<Inner, 1>>, named<"bn1", batch_norm<>>, relu,
                        named<"conv2", convolution<Inner, 3, Stride, 1, Groups>>, named<"bn2", batch_norm<>>, relu,
                        named<"conv3", conv<Out, 1>>, named<"bn3", batch_norm<>>>,
             Shortcut, relu>;

/// 1x1, 3x3, 1x1, four times as wide at its end; the stride is in the 3x3 (torchvision; "ResNet v1.5").
template <int In, int Width, int Stride>
struct bottleneck : bottleneck_body<Width, 4 * Width, typename shortcut_of<In, 4 * Width, Stride>::type, Stride, 1> {
  static constexpr int width = 4 * Width;
};

/// ResNeXt's bottleneck (Xie et al. 2017): the 3x3 has `Groups` groups of `Each` channels where `Width` is 64.
template <int Groups, int Each>
struct aggregated {
  template <int In, int Width, int Stride>
  struct bottleneck : bottleneck_body<Groups * Each * Width / 64, 4 * Width,
                                      typename shortcut_of<In, 4 * Width, Stride>::type, Stride, Groups> {
    static constexpr int width = 4 * Width;
  };
};

/// `Count` blocks, the first of which may change the shape.
template <template <int, int, int> class Block, int In, int Width, int Stride, int Count>
struct stage
    : sequential<Block<In, Width, Stride>, repeat<Count - 1, Block<Block<In, Width, Stride>::width, Width, 1>>> {
  static constexpr int width = Block<In, Width, Stride>::width;
};

/// 7x7 stride 2 and max pooling, for images around 224x224.
struct imagenet_stem : sequential<named<"conv1", conv<64, 7, 2>>, named<"bn1", batch_norm<>>, relu, max_pool<3, 2, 1>> {
};
/// 3x3 stride 1, for images around 32x32.
struct cifar_stem : sequential<named<"conv1", conv<64, 3>>, named<"bn1", batch_norm<>>, relu> {};

template <template <int, int, int> class Block, int Classes, class Stem, class Input, int A, int B, int C, int D>
using torchvision = architecture<Input, named<"", Stem>,                                                         //
                                 named<"layer1", stage<Block, 64, 64, 1, A>>,                                    //
                                 named<"layer2", stage<Block, stage<Block, 64, 64, 1, A>::width, 128, 2, B>>,    //
                                 named<"layer3", stage<Block, stage<Block, 64, 128, 2, B>::width, 256, 2, C>>,   //
                                 named<"layer4", stage<Block, stage<Block, 128, 256, 2, C>::width, 512, 2, D>>,  //
                                 global_average_pool, named<"fc", linear<Classes>>>;

}  // namespace resnet

using resnet::cifar_stem;
using resnet::imagenet_stem;

// torchvision's layout and names (He et al. 2015, table 1).
template <int Classes, class Stem = imagenet_stem, class Input = normalize<imagenet_statistics>>
struct resnet18 : resnet::torchvision<resnet::basic_block, Classes, Stem, Input, 2, 2, 2, 2> {};
template <int Classes, class Stem = imagenet_stem, class Input = normalize<imagenet_statistics>>
struct resnet34 : resnet::torchvision<resnet::basic_block, Classes, Stem, Input, 3, 4, 6, 3> {};
template <int Classes, class Stem = imagenet_stem, class Input = normalize<imagenet_statistics>>
struct resnet50 : resnet::torchvision<resnet::bottleneck, Classes, Stem, Input, 3, 4, 6, 3> {};
template <int Classes, class Stem = imagenet_stem, class Input = normalize<imagenet_statistics>>
struct resnet101 : resnet::torchvision<resnet::bottleneck, Classes, Stem, Input, 3, 4, 23, 3> {};
template <int Classes, class Stem = imagenet_stem, class Input = normalize<imagenet_statistics>>
struct resnet152 : resnet::torchvision<resnet::bottleneck, Classes, Stem, Input, 3, 8, 36, 3> {};
template <int Classes, class Stem = imagenet_stem, class Input = normalize<imagenet_statistics>>
struct resnet200 : resnet::torchvision<resnet::bottleneck, Classes, Stem, Input, 3, 24, 36, 3> {};
template <int Classes, class Stem = imagenet_stem, class Input = normalize<imagenet_statistics>>
struct resnext50_32x4d : resnet::torchvision<resnet::aggregated<32, 4>::bottleneck, Classes, Stem, Input, 3, 4, 6, 3> {
};

/// The shortcut of He's CIFAR networks where the shape changes.
enum class shortcut_option {
  a,  ///< every second pixel and zero channels: no parameters
  b   ///< projection
};

namespace resnet {

template <shortcut_option Option, int In, int Width, int Stride>
struct cifar_shortcut_of {
  using type = projection<"shortcut", Width, Stride>;
};
template <int In, int Width, int Stride>
struct cifar_shortcut_of<shortcut_option::a, In, Width, Stride> {
  using type = subsample_shortcut<Width, Stride>;
};
template <shortcut_option Option, int Width>
struct cifar_shortcut_of<Option, Width, Width, 1> {
  using type = identity;
};
template <int Width>
struct cifar_shortcut_of<shortcut_option::a, Width, Width, 1> {
  using type = identity;
};

template <shortcut_option Option, int In, int Width, int Stride>
struct cifar_block : basic_body<Width, typename cifar_shortcut_of<Option, In, Width, Stride>::type, Stride> {};

template <shortcut_option Option, int In, int Width, int Stride, int Count>
struct cifar_stage
    : sequential<cifar_block<Option, In, Width, Stride>, repeat<Count - 1, cifar_block<Option, Width, Width, 1>>> {};

}  // namespace resnet

/// He et al. 2015, section 4.2: 6 `Blocks` + 2 layers of 16, 32 and 64 channels. Parameter names as in the PyTorch
/// code that most published weights come from (`conv1`, `layer1.0.conv1`, ..., `linear`).
template <int Blocks, int Classes, shortcut_option Option = shortcut_option::a,
          class Input = normalize<cifar10_statistics>>
struct cifar_resnet : architecture<Input, named<"conv1", resnet::conv<16, 3>>, named<"bn1", batch_norm<>>, relu,  //
                                   named<"layer1", resnet::cifar_stage<Option, 16, 16, 1, Blocks>>,               //
                                   named<"layer2", resnet::cifar_stage<Option, 16, 32, 2, Blocks>>,               //
                                   named<"layer3", resnet::cifar_stage<Option, 32, 64, 2, Blocks>>,               //
                                   global_average_pool, named<"linear", linear<Classes>>> {};

template <int Classes, shortcut_option Option = shortcut_option::a, class Input = normalize<cifar10_statistics>>
struct resnet20 : cifar_resnet<3, Classes, Option, Input> {};
template <int Classes, shortcut_option Option = shortcut_option::a, class Input = normalize<cifar10_statistics>>
struct resnet32 : cifar_resnet<5, Classes, Option, Input> {};
template <int Classes, shortcut_option Option = shortcut_option::a, class Input = normalize<cifar10_statistics>>
struct resnet44 : cifar_resnet<7, Classes, Option, Input> {};
template <int Classes, shortcut_option Option = shortcut_option::a, class Input = normalize<cifar10_statistics>>
struct resnet56 : cifar_resnet<9, Classes, Option, Input> {};
template <int Classes, shortcut_option Option = shortcut_option::a, class Input = normalize<cifar10_statistics>>
struct resnet110 : cifar_resnet<18, Classes, Option, Input> {};

}  // namespace advprop
