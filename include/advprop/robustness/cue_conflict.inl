// The definitions of cue_conflict.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/robustness/cue_conflict.hpp>

namespace advprop::robustness {

ADVPROP_API cue_classes cue_classes::of(const std::vector<std::string>& names) {
  cue_classes result{names, {}};
  for (std::size_t i = 0; i < names.size(); ++i) result.logits.push_back({static_cast<int>(i)});
  return result;
}

ADVPROP_API int cue_classes::decide(std::span<const float> z) const {
  const double most = double{*std::max_element(z.begin(), z.end())};
  int best = 0;
  double largest = -1;
  for (std::size_t c = 0; c < names.size(); ++c) {
    double sum = 0;
    for (const int k : logits[c]) sum += std::exp(double{z[static_cast<std::size_t>(k)]} - most);
    const double mean = sum / static_cast<double>(logits[c].size());
    if (mean > largest) largest = mean, best = static_cast<int>(c);
  }
  return best;
}

ADVPROP_API cue_decision cues_of(const std::string& path, const std::vector<std::string>& names) {
  std::string_view name = path;
  name = name.substr(name.rfind('/') + 1);
  name = name.substr(0, name.rfind('.'));
  const auto dash = name.find('-');
  const auto number = [&](std::string_view word) {
    const auto end = word.find_last_not_of("0123456789") + 1;  // 0 where all are digits
    const auto at = std::find(names.begin(), names.end(), word.substr(0, end));
    if (end == word.size() || at == names.end())
      fail<file_error>(path, ": '", word, "' is not a class and number, as in cat7-truck3.png");
    return static_cast<int>(at - names.begin());
  };
  if (dash == name.npos) fail<file_error>(path, ": names no shape and texture, as in cat7-truck3.png");
  return {number(name.substr(0, dash)), number(name.substr(dash + 1)), -1};
}

ADVPROP_API std::vector<cue_decision> cues_of(const image_folder& pictures, const std::vector<std::string>& names) {
  std::vector<cue_decision> cues;
  for (int i = 0; i < pictures.size(); ++i) cues.push_back(cues_of(pictures.path(i), names));
  return cues;
}

ADVPROP_API cue_classes cue_classes::imagenet() {
  struct run {
    const char* name;
    int first, last;
  };
  static constexpr run runs[] = {
      {"airplane", 404, 404}, {"bear", 294, 297},     {"bicycle", 444, 444},  {"bicycle", 671, 671},
      {"bird", 8, 8},         {"bird", 10, 16},       {"bird", 18, 20},       {"bird", 22, 24},
      {"bird", 80, 83},       {"bird", 87, 96},       {"bird", 98, 100},      {"bird", 127, 133},
      {"bird", 135, 145},     {"boat", 472, 472},     {"boat", 554, 554},     {"boat", 625, 625},
      {"boat", 814, 814},     {"boat", 914, 914},     {"bottle", 440, 440},   {"bottle", 720, 720},
      {"bottle", 737, 737},   {"bottle", 898, 899},   {"bottle", 901, 901},   {"bottle", 907, 907},
      {"car", 436, 436},      {"car", 511, 511},      {"car", 817, 817},      {"cat", 281, 286},
      {"chair", 423, 423},    {"chair", 559, 559},    {"chair", 765, 765},    {"chair", 857, 857},
      {"clock", 409, 409},    {"clock", 530, 530},    {"clock", 892, 892},    {"dog", 152, 191},
      {"dog", 193, 203},      {"dog", 205, 226},      {"dog", 228, 241},      {"dog", 243, 250},
      {"dog", 252, 257},      {"dog", 259, 259},      {"dog", 261, 263},      {"dog", 265, 268},
      {"elephant", 385, 386}, {"keyboard", 508, 508}, {"keyboard", 878, 878}, {"knife", 499, 499},
      {"oven", 766, 766},     {"truck", 555, 555},    {"truck", 569, 569},    {"truck", 656, 656},
      {"truck", 675, 675},    {"truck", 717, 717},    {"truck", 734, 734},    {"truck", 864, 864},
      {"truck", 867, 867}};
  cue_classes result;
  for (const run& r : runs) {
    if (result.names.empty() || result.names.back() != r.name) {
      result.names.emplace_back(r.name);
      result.logits.emplace_back();
    }
    for (int k = r.first; k <= r.last; ++k) result.logits.back().push_back(k);
  }
  return result;
}

}  // namespace advprop::robustness
