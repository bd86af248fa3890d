// The definitions of class_list.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/data/class_list.hpp>

namespace advprop::detail {

constexpr std::size_t wordnet_id_size = 9;  // n and 8 digits

/// Whether a line begins with an id, and then ends or goes on after a space, tab or comma.
inline bool has_wordnet_id(std::string_view line) {
  const std::string_view id = line.substr(0, wordnet_id_size);
  if (id.size() < wordnet_id_size || id[0] != 'n' || id.find_first_not_of("0123456789", 1) != id.npos) return false;
  return line.size() == id.size() || std::string_view(" \t,").find(line[id.size()]) != line.npos;
}

/// The class that a line names, which is not empty.
inline std::string_view class_of(std::string_view line) {
  line.remove_prefix(line.find_first_not_of(" \t\r"));
  line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
  return has_wordnet_id(line) ? line.substr(0, wordnet_id_size) : line;
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API std::vector<std::string> read_class_list(const std::string& path) {
  const auto bytes = read_file<char>(path, 16 << 20);
  std::vector<std::string> classes;
  std::string_view rest(bytes.data(), bytes.size());
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) {
      if (rest.find_first_not_of(" \t\r\n") == rest.npos) break;
      fail<file_error>(path, ": line ", classes.size() + 1, " is empty");
    }
    classes.emplace_back(detail::class_of(line));
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
