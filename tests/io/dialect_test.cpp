#include <advprop/io/dialect.hpp>

#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include <advprop/io/checkpoint.hpp>
#include <advprop/models/resnet.hpp>

#include "../models/harness.hpp"

namespace dialect_test {

using namespace harness;
using names = std::vector<std::string>;

namespace {

const nlohmann::json& golden() {
  static const nlohmann::json all =
      nlohmann::json::parse(std::ifstream(ADVPROP_TEST_SOURCE "/golden/efficientnet_names.json"));
  return all;
}

/// An EfficientNet of two stages, three blocks, with every kind of module that the real ones have.
template <int Out>
struct squeeze : gated<sequential<global_average_pool, named<"conv_reduce", convolution<2, 1, 1, 0, 1, bias::on>>, silu,
                                  named<"conv_expand", convolution<Out, 1, 1, 0, 1, bias::on>>, sigmoid>> {};
struct first_block
    : sequential<named<"conv_dw", depthwise<3>>, named<"bn1", batch_norm<>>, silu, named<"se", squeeze<4>>,
                 named<"conv_pw", convolution<4, 1>>, named<"bn2", batch_norm<>>> {};
struct inverted_block
    : residual<sequential<named<"conv_pw", convolution<8, 1>>, named<"bn1", batch_norm<>>, silu,
                          named<"conv_dw", depthwise<3>>, named<"bn2", batch_norm<>>, silu, named<"se", squeeze<8>>,
                          named<"conv_pwl", convolution<4, 1>>, named<"bn3", batch_norm<>>>> {};
template <int Classes>
struct tiny_efficientnet
    : architecture<normalize<mnist_statistics>, named<"conv_stem", convolution<4, 3, 2>>, named<"bn1", batch_norm<>>,
                   silu, named<"blocks", sequential<sequential<first_block>, sequential<repeat<2, inverted_block>>>>,
                   named<"conv_head", convolution<6, 1>>, named<"bn2", batch_norm<>>, silu, global_average_pool,
                   named<"classifier", linear<Classes>>> {};

}  // namespace

TEST_CASE("EfficientNet's tensors are called what torchvision and EfficientNet-PyTorch call them") {
  for (const char* size : {"b0", "b1"}) {
    const auto timm = golden().at(size).at("timm").get<names>();
    REQUIRE(timm.size() > 300);
    CHECK(translate(timm, dialect::timm) == timm);
    CHECK(translate(timm, dialect::torchvision) == golden().at(size).at("torchvision").get<names>());
    CHECK(translate(timm, dialect::lukemelas) == golden().at(size).at("lukemelas").get<names>());
  }
}

TEST_CASE("Auxiliary sets stand below their batch norm in every dialect") {
  const names own = {"conv_stem.weight", "blocks.0.0.se.conv_reduce.bias", "blocks.0.0.bn1.aux_bn.1.running_var"};
  CHECK(translate(own, dialect::torchvision) ==
        names{"features.0.0.weight", "features.1.0.block.1.fc1.bias", "features.1.0.block.0.1.aux_bn.1.running_var"});
  CHECK(translate(own, dialect::lukemelas) ==
        names{"_conv_stem.weight", "_blocks.0._se_reduce.bias", "_blocks.0._bn1.aux_bn.1.running_var"});
}

TEST_CASE("A dialect without such a network has no names for it") {
  const names resnet = {"conv1.weight", "layer1.0.bn1.aux_bn.0.bias", "layer4.0.downsample.0.weight", "fc.bias"};
  CHECK(translate(resnet, dialect::torchvision) == resnet);
  CHECK(translate(resnet, dialect::lukemelas).empty());
  const names cifar = {"conv1.weight", "layer1.0.bn1.bias", "linear.weight"};
  CHECK(translate(cifar, dialect::native) == cifar);
  CHECK(translate(cifar, dialect::torchvision).empty());
  // EfficientNet-Lite has no squeeze-and-excite, on which torchvision's numbers inside a block count.
  const names lite = {"conv_stem.weight", "blocks.0.0.conv_dw.weight", "blocks.1.0.conv_pwl.weight"};
  CHECK(translate(lite, dialect::torchvision).empty());
  CHECK(translate(lite, dialect::lukemelas) ==
        names{"_conv_stem.weight", "_blocks.0._depthwise_conv.weight", "_blocks.1._project_conv.weight"});
  for (const char* other : {"blocks.0.0.attention.weight", "blocks.0.weight", "blocks.a.0.conv_dw.weight", "weight"})
    CHECK(translate({"blocks.0.0.se.conv_reduce.bias", other}, dialect::torchvision).empty());
}

TEST_CASE("A model goes out and comes back in every dialect, recognised by itself") {
  const std::string path = (std::filesystem::temp_directory_path() / "advprop_dialect_test").string();
  cpu d(1);
  model<tiny_efficientnet<4>, domains<3>, cpu> m(d, seed{1}), n(d, seed{2});
  scramble(m);
  m.batches_tracked(1) = 7;
  std::set<names> spellings;
  for (dialect as : {dialect::native, dialect::torchvision, dialect::lukemelas}) {
    scramble(n, 99);
    save(m, path, {.dialect = as});
    spellings.insert(safetensors::read(path).names());
    CHECK(load(n, path).dialect == as);
    CHECK(snapshot(n) == snapshot(m));
    // One domain as an ordinary network, which fills the sets again.
    save(m, three::auxiliary(1), path, {.dialect = as});
    const load_report r = load(n, path);
    CHECK((r.dialect == as && r.auxiliary_from_main));
    CHECK(same_bits(tensor_of(n, "bn2.weight"), tensor_of(m, "bn2.aux_bn.1.weight")));
    CHECK(same_bits(tensor_of(n, "blocks.1.1.bn3.aux_bn.0.running_mean"),
                    tensor_of(m, "blocks.1.1.bn3.aux_bn.1.running_mean")));
  }
  CHECK(spellings.size() == 3);
  const auto last = *std::find_if(spellings.begin(), spellings.end(),
                                  [](const auto& s) { return std::find(s.begin(), s.end(), "_fc.weight") != s.end(); });
  CHECK(std::find(last.begin(), last.end(), "_blocks.2._bn2.aux_bn.1.num_batches_tracked") != last.end());

  small_model<> other(d);
  CHECK_THROWS_WITH_AS(save(other, path, {.dialect = dialect::lukemelas}),
                       "save: lukemelas has no such network, and so no names for its tensors", argument_error);
  std::filesystem::remove(path);
}

TEST_CASE("All but the classifier loads when that is asked for, from any number of classes and any dialect") {
  const std::string path = (std::filesystem::temp_directory_path() / "advprop_classifier_test").string();
  cpu d(1);
  model<tiny_efficientnet<10>, domains<1>, cpu> ten(d, seed{1});
  model<tiny_efficientnet<4>, domains<2>, cpu> four(d, seed{2});
  scramble(ten);
  save(ten, path, {.dialect = dialect::torchvision});
  const auto before = snapshot(four);
  CHECK_THROWS_WITH_AS(load(four, path),
                       (path + ": the classifier has another number of classes ('classifier.1.weight' is [10, 6], not "
                               "[4, 6], 'classifier.1.bias' is [10], not [4]); load everything else with "
                               "{.classifier = false}")
                           .c_str(),
                       file_error);
  CHECK(snapshot(four) == before);
  const auto weight = copy_of(tensor_of(four, "classifier.weight")), bias = copy_of(tensor_of(four, "classifier.bias"));
  CHECK(load(four, path, {.classifier = false}).dialect == dialect::torchvision);
  CHECK(same_bits(tensor_of(four, "classifier.weight"), weight));
  CHECK(same_bits(tensor_of(four, "classifier.bias"), bias));
  for (const parameter& p : ten.table())
    if (!p.name.starts_with("classifier")) CHECK(same_bits(tensor_of(four, p.name), ten[p]));
  std::filesystem::remove(path);
}

TEST_CASE("A checkpoint of another architecture: one message counts what differs and names the first of it") {
  const std::string path = (std::filesystem::temp_directory_path() / "advprop_architecture_test").string();
  cpu d(1);
  model<tiny_efficientnet<4>, domains<1>, cpu> m(d);
  small_model<domains<1>> n(d);
  save(m, path, {.dialect = dialect::lukemelas});
  const auto refusal = [&](auto& model) -> std::string {
    try {
      load(model, path);
    } catch (const file_error& e) {
      return e.what();
    }
    return "loaded";
  };
  CHECK(refusal(n) == path +
                          ": does not fit the model of 12 tensors (native names): 12 missing ('conv1.weight', "
                          "'block.conv.weight', 'fc.weight', ...); 74 unexpected ('_conv_stem.weight', "
                          "'_blocks.0._depthwise_conv.weight', '_blocks.0._se_reduce.weight', ...)");
  save(n, path);
  CHECK(refusal(m) ==
        path +
            ": does not fit the model of 64 tensors (native names): 60 missing ('conv_stem.weight', "
            "'blocks.0.0.conv_dw.weight', 'blocks.0.0.se.conv_reduce.weight', ...); 9 unexpected ('conv1.weight', "
            "'block.conv.weight', 'fc.weight', ...); 4 of another shape ('bn1.weight' is [6], not [4], 'bn1.bias' is "
            "[6], not [4], 'bn1.running_mean' is [6], not [4], ...)");
  std::filesystem::remove(path);
}

}  // namespace dialect_test
