// Reading a checkpoint's names.
#include "checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <advprop/core/error.hpp>
#include <advprop/io/safetensors.hpp>

namespace advprop::program {

int auxiliaries_in(const std::string& path) {
  constexpr std::string_view level = ".aux_bn.";
  int count = 0;
  for (const auto& name : safetensors::read(path).names()) {
    if (name.starts_with("training."))
      fail<file_error>(path, ": is the state of a training run; its network is in model.safetensors beside it");
    const auto at = name.find(level);
    if (at == name.npos) continue;
    int k = -1;
    std::from_chars(name.data() + at + level.size(), name.data() + name.size(), k);
    count = std::max(count, std::min(k, 1000) + 1);
  }
  return count;
}

}  // namespace advprop::program
