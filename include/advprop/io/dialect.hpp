// How other libraries name a network's tensors in their state dicts.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/core/linkage.hpp>

namespace advprop {

/// Whose names. A ResNet's are the same in timm, in torchvision and here; an EfficientNet's are here as in timm.
/// In every dialect the auxiliary set K of a batch norm is `<its name>.aux_bn.K`, as timm's split batch norms have it.
enum class dialect {
  native,
  timm = native,
  torchvision,
  lukemelas  ///< the package EfficientNet-PyTorch
};

constexpr std::string_view dialect_name(dialect d) {
  return d == dialect::native ? "native" : d == dialect::torchvision ? "torchvision" : "lukemelas";
}

namespace detail {

/// "layer1.0.bn1.aux_bn.0.weight" -> "layer1.0.bn1", ".aux_bn.0.weight".
ADVPROP_API std::pair<std::string_view, std::string_view> module_and_leaf(std::string_view name);

}  // namespace detail

/// The native names of a network's tensors (in the network's order; an empty one stays empty) in another dialect;
/// nothing at all when that dialect has no such network.
[[gnu::cold]] ADVPROP_API std::vector<std::string> translate(const std::vector<std::string>& names, dialect to);

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/dialect.inl>
#endif
