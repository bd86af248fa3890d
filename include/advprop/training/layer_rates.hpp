// Parts of a network that learn more slowly than the rest, or not at all, as in fine-tuning.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/layers/parameters.hpp>

namespace advprop {

/// How fast the tensors of a name learn. Optimizers take a list of these, `layer_rates`, of which the first that names
/// a tensor counts; tensors that none names learn at the whole rate. Weight decay follows the rate, as in PyTorch's
/// parameter groups. Tensors that are kept as they are, at factor 0, take no part in `clip_norm`, and training
/// passes make no gradients of layers that have nothing else. The running statistics of their batch norms follow the
/// images all the same.
///
///   sgd{.learning_rate = 0.01f, .layer_rates = {{"fc", 1}, {"layer4", 0.1f}, {"", 0}}}
struct layer_rate {
  std::string name;  ///< of a tensor, or of a layer that it lies in ("fc", "layer4.0", "bn1.aux_bn"); empty: of all
  float factor = 1;  ///< of the learning rate; 0: these tensors keep their numbers to the bit
};

namespace detail {

/// Neighbours in the block of learnt numbers that an optimizer treats alike.
struct learnt_part {
  std::size_t first = 0, count = 0;
  float rate = 1;  // a factor of the learning rate
  bool decays = false;
};

/// Cuts the block of a model into as few parts as there can be; the numbers before `decayed` decay. Throws
/// `argument_error` where a factor is negative or not finite, a name is no tensor's or layer's, or nothing would learn.
ADVPROP_API std::vector<learnt_part> learnt_parts(const char* optimizer, const std::vector<parameter>& table,
                                                  std::size_t decayed, std::span<const layer_rate> rates);

/// For each of the table's tensors, whether it learns.
ADVPROP_API std::vector<bool> changed_tensors(const std::vector<parameter>& table, std::span<const layer_rate> rates);

/// " layer_rates fc 1, layer4 0.1, * 0"; nothing of an empty list.
ADVPROP_API std::string described(std::span<const layer_rate> rates);

}  // namespace detail

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/training/layer_rates.inl>
#endif
