// The definitions of class_list.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/data/class_list.hpp>

namespace advprop {

ADVPROP_API std::vector<std::string> read_class_list(const std::string& path) {
  const auto bytes = read_file<char>(path, 16 << 20);
  std::vector<std::string> classes;
  std::string_view rest(bytes.data(), bytes.size());
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto begin = line.find_first_not_of(" \t\r");
    if (begin == line.npos) {
      if (rest.find_first_not_of(" \t\r\n") == rest.npos) break;
      fail<file_error>(path, ": line ", classes.size() + 1, " is empty");
    }
    classes.emplace_back(line.substr(begin, line.find_first_of(" \t\r", begin) - begin));
  }
  if (classes.empty()) fail<file_error>(path, ": has no classes");
  std::vector<std::string> sorted = classes;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    fail<file_error>(path, ": has the class ", *twice, " twice");
  return classes;
}

ADVPROP_API std::vector<int> logits_of(const std::vector<std::string>& classes, const std::vector<std::string>& all,
                                       const std::string& name) {
  std::vector<int> logits;
  for (const std::string& c : classes) {
    const auto at = std::find(all.begin(), all.end(), c);
    if (at == all.end())
      fail<argument_error>(name, ": the class ", c, " is not among the network's ", all.size(), " classes");
    logits.push_back(static_cast<int>(at - all.begin()));
  }
  return logits;
}

}  // namespace advprop
