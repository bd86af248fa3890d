// The definitions of layer_rates.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/number_text.hpp>
#include <advprop/training/layer_rates.hpp>

namespace advprop::detail {

inline bool lies_in(const std::string& tensor, const std::string& name) {
  return name.empty() || (tensor.starts_with(name) && (tensor.size() == name.size() || tensor[name.size()] == '.'));
}

inline float rate_of(const parameter& p, std::span<const layer_rate> rates) {
  const auto own = std::find_if(rates.begin(), rates.end(), [&](const auto& r) { return lies_in(p.name, r.name); });
  return own == rates.end() ? 1 : own->factor;
}

/// The names of a network's outermost layers, for an error.
[[gnu::cold]] inline std::string outer_names(const std::vector<parameter>& table) {
  std::vector<std::string> names;
  for (const parameter& p : table)
    if (const std::string name = p.name.substr(0, p.name.find('.')); std::ranges::find(names, name) == names.end())
      names.push_back(name);
  std::string text;
  for (const std::string& name : names) (text += text.empty() ? "" : ", ") += name;
  return text;
}

ADVPROP_API std::vector<learnt_part> learnt_parts(const char* optimizer, const std::vector<parameter>& table,
                                                  std::size_t decayed, std::span<const layer_rate> rates) {
  for (const layer_rate& r : rates)
    if (!(r.factor >= 0 && std::isfinite(r.factor)))
      fail<argument_error>(optimizer, ": layer_rates: the factor of '", r.name, "' is ", shortest(r.factor),
                           ", must be 0 or more");
  std::vector<bool> named(rates.size()), used(rates.size());  // of any tensor; as its first
  std::vector<learnt_part> each;
  for (const parameter& p : table) {
    bool first = true;
    for (std::size_t i = 0; i < rates.size(); ++i) {
      if (!lies_in(p.name, rates[i].name)) continue;
      named[i] = true;
      if (std::exchange(first, false)) used[i] = true;
    }
    if (p.role == role::mean || p.role == role::variance) continue;
    each.push_back({p.offset, p.count, rate_of(p, rates), p.offset < decayed});
  }
  if (const auto unknown = std::find(named.begin(), named.end(), false); unknown != named.end())
    fail<argument_error>(optimizer, ": layer_rates: the network has no tensor or layer '",
                         rates[static_cast<std::size_t>(unknown - named.begin())].name, "', only ", outer_names(table));
  if (const auto late = std::find(used.begin(), used.end(), false); late != used.end())
    fail<argument_error>(optimizer, ": layer_rates: '", rates[static_cast<std::size_t>(late - used.begin())].name,
                         "' is never asked: names before it have all its tensors");
  std::sort(each.begin(), each.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<learnt_part> parts;
  for (const learnt_part& p : each) {
    if (!parts.empty() && parts.back().rate == p.rate && parts.back().decays == p.decays)
      parts.back().count = p.first + p.count - parts.back().first;
    else
      parts.push_back(p);
  }
  if (!parts.empty() && std::all_of(parts.begin(), parts.end(), [](const auto& p) { return p.rate == 0; }))
    fail<argument_error>(optimizer, ": layer_rates keep every tensor as it is, so that nothing would be learned");
  return parts;
}

ADVPROP_API std::vector<bool> changed_tensors(const std::vector<parameter>& table, std::span<const layer_rate> rates) {
  std::vector<bool> changed;
  for (const parameter& p : table) changed.push_back(rate_of(p, rates) > 0);
  return changed;
}

ADVPROP_API std::string described(std::span<const layer_rate> rates) {
  std::string text;
  for (const layer_rate& r : rates)
    text += (text.empty() ? " layer_rates " : ", ") + (r.name.empty() ? "*" : r.name) + " " + shortest(r.factor);
  return text;
}

}  // namespace advprop::detail
