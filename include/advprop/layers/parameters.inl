// The definitions of parameters.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/layers/parameters.hpp>

namespace advprop {

ADVPROP_API std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : name.empty() ? prefix : prefix + "." + name;
}

ADVPROP_API std::string norm_name(const std::string& name, int set) {
  return set == 0 ? name : name + ".aux_bn." + std::to_string(set - 1);
}

ADVPROP_API std::string norm_tensor_name(const std::string& main, int set) {
  const auto dot = main.rfind('.');
  return norm_name(main.substr(0, dot), set) + main.substr(dot);
}

ADVPROP_API void start_values(const parameter& p, random_stream r, bool zero_last_scale, std::vector<float>& values) {
  values.assign(p.count, p.closes_branch && zero_last_scale ? 0.f : p.start.spread);
  for (float& v : values) {
    if (p.start.rule == initial::normal) v = p.start.spread * r.normal();
    if (p.start.rule == initial::uniform) v = r.uniform(-p.start.spread, p.start.spread);
  }
}

ADVPROP_API std::size_t registry::weight(const std::string& name, std::vector<std::int64_t> shape, initial start) {
  return add(weights_, name, role::weight, std::move(shape), start);
}

ADVPROP_API std::size_t registry::bias(const std::string& name, std::vector<std::int64_t> shape, initial start) {
  return add(biases_, name, role::bias, std::move(shape), start);
}

ADVPROP_API std::size_t registry::norm(const std::string& name, int channels, bool closes_branch) {
  const std::size_t at = norm_channels_;
  norm_channels_ += static_cast<std::size_t>(channels);
  norms_.push_back({name, at, static_cast<std::size_t>(channels), places(), closes_branch});
  return at;
}

ADVPROP_API std::size_t registry::add(std::size_t& block, const std::string& name, role r,
                                      std::vector<std::int64_t> shape, initial start) {
  std::size_t count = 1;
  for (auto e : shape) count *= static_cast<std::size_t>(e);
  const std::size_t at = block;
  block += count;
  tensors_.push_back({name, r, 0, std::move(shape), at, count, start, places()});
  return at;
}

ADVPROP_API std::size_t registry::numbers() const { return weights_ + biases_ + 2 * norm_channels_; }

ADVPROP_API int registry::layer_ends(std::size_t before, long told, const std::string& name, int position) const {
  if (const std::size_t own = numbers() - before; static_cast<long>(own) != told)
    fail<argument_error>("model: layer ", position, name.empty() ? "" : " of '" + name + "'", " registers ", own,
                         " learnt numbers, its parameters() says ", told);
  return places();
}

ADVPROP_API void check_names(const std::vector<parameter>& table) {
  std::vector<std::string_view> names;
  for (const parameter& p : table) names.push_back(p.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end())
    fail<argument_error>("model: two of its tensors are called '", *twice, "'; `named` gives a layer another name");
}

}  // namespace advprop
