// The definitions of dialect.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/io/dialect.hpp>

namespace advprop::detail {

struct spelling {
  std::string_view native, torchvision, lukemelas;

  constexpr std::string_view in(dialect d) const {
    return d == dialect::native ? native : d == dialect::torchvision ? torchvision : lukemelas;
  }
};

// EfficientNet outside its blocks; '#' is the number of stages plus one.
inline constexpr spelling efficientnet_ends[] = {
    {"conv_stem", "features.0.0", "_conv_stem"}, {"bn1", "features.0.1", "_bn0"},
    {"conv_head", "features.#.0", "_conv_head"}, {"bn2", "features.#.1", "_bn1"},
    {"classifier", "classifier.1", "_fc"},
};
// A block that does not expand (the first stage's),
inline constexpr spelling separable_block[] = {
    {"conv_dw", "block.0.0", "_depthwise_conv"},     {"bn1", "block.0.1", "_bn1"},
    {"se.conv_reduce", "block.1.fc1", "_se_reduce"}, {"se.conv_expand", "block.1.fc2", "_se_expand"},
    {"conv_pw", "block.2.0", "_project_conv"},       {"bn2", "block.2.1", "_bn2"},
};
// and one that does, which has a last convolution `conv_pwl`.
inline constexpr spelling inverted_block[] = {
    {"conv_pw", "block.0.0", "_expand_conv"},        {"bn1", "block.0.1", "_bn0"},
    {"conv_dw", "block.1.0", "_depthwise_conv"},     {"bn2", "block.1.1", "_bn1"},
    {"se.conv_reduce", "block.2.fc1", "_se_reduce"}, {"se.conv_expand", "block.2.fc2", "_se_expand"},
    {"conv_pwl", "block.3.0", "_project_conv"},      {"bn3", "block.3.1", "_bn2"},
};

inline std::string_view spelled(std::span<const spelling> table, std::string_view module, dialect to) {
  for (const spelling& s : table)
    if (s.native == module) return s.in(to);
  return {};
}

ADVPROP_API std::pair<std::string_view, std::string_view> module_and_leaf(std::string_view name) {
  const auto at = std::min(name.find(".aux_bn."), name.rfind('.'));
  return {name.substr(0, at), at == std::string_view::npos ? std::string_view() : name.substr(at)};
}

/// "blocks.I.J.inside" in its pieces, I and J numbers; `inside` is empty for anything else.
struct block_name {
  std::string_view stage, index, inside;

  explicit block_name(std::string_view module) {
    if (!module.starts_with("blocks.")) return;
    module.remove_prefix(7);
    const auto first = module.find('.'), second = module.find('.', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) return;
    if (module.substr(0, second).find_first_not_of("0123456789.") != std::string_view::npos || first == 0) return;
    stage = module.substr(0, first);
    index = module.substr(first + 1, second - first - 1);
    inside = module.substr(second + 1);
  }
  std::string path() const { return std::string(stage) + '.' + std::string(index); }
};

/// Both libraries name a ResNet's tensors alike.
inline bool torchvision_resnet(const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [](std::string_view n) {
    for (std::string_view s : {"conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.", "fc."})
      if (n.starts_with(s)) return true;
    return n.empty();
  });
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API std::vector<std::string> translate(const std::vector<std::string>& names, dialect to) {
  using namespace detail;
  if (to == dialect::native || (to == dialect::torchvision && torchvision_resnet(names))) return names;

  std::map<std::string, std::size_t> blocks;  // "stage.index" and its number, counted through
  std::set<std::string_view> stages;
  std::set<std::string> inverted, gated;
  for (const std::string& n : names) {
    const block_name b(module_and_leaf(n).first);
    if (b.inside.empty()) continue;
    stages.insert(b.stage);
    blocks.emplace(b.path(), blocks.size());
    if (b.inside == "conv_pwl") inverted.insert(b.path());
    if (b.inside == "se.conv_reduce") gated.insert(b.path());
  }
  // torchvision's blocks are numbered through, squeeze-and-excite included: it has no network without.
  if (blocks.empty() || (to == dialect::torchvision && gated.size() != blocks.size())) return {};

  std::vector<std::string> result;
  for (const std::string& n : names) {
    const auto [module, leaf] = module_and_leaf(n);
    const block_name b(module);
    std::string base;
    if (n.empty()) {
      result.emplace_back();
      continue;
    }
    if (b.inside.empty()) {
      base = spelled(efficientnet_ends, module, to);
      if (const auto hash = base.find('#'); hash != base.npos) base.replace(hash, 1, std::to_string(stages.size() + 1));
    } else {
      const std::string path = b.path();
      const auto inside =
          inverted.contains(path) ? spelled(inverted_block, b.inside, to) : spelled(separable_block, b.inside, to);
      const auto count_from_one = [](std::string_view stage) {
        return std::to_string(std::stoi(std::string(stage)) + 1);
      };
      if (!inside.empty())
        base = (to == dialect::torchvision ? "features." + count_from_one(b.stage) + '.' + std::string(b.index)
                                           : "_blocks." + std::to_string(blocks.at(path))) +
               '.' + std::string(inside);
    }
    if (base.empty()) return {};
    result.push_back(base + std::string(leaf));
  }
  return result;
}

}  // namespace advprop
