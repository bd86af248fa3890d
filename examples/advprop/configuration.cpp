// TOML to words of a command line.
#include "configuration.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>

#ifdef ADVPROP_HAS_TOML
#include <toml++/toml.h>
#endif

#include <advprop/core/error.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/text.hpp>

namespace advprop::program {

namespace {

/// "--epochs" of "--epochs" and of "--epochs=3".
std::string_view option_of(std::string_view word) {
  return word.starts_with("--") ? word.substr(0, word.find('=')) : std::string_view();
}

/// An option under two names: the second is the first with that value.
struct synonym {
  std::string_view name, other, value;
};
constexpr synonym synonyms[] = {{"--augment", "--no-augment", "none"}, {"--decay-biases", "--spare-biases", "false"}};

/// One of the two would count, and which is not for the program to say.
void refuse_contradictions(const std::vector<std::string>& words) {
  const auto has = [&](std::string_view option) {
    return std::any_of(words.begin(), words.end(),
                       [&](const auto& w) { return option_of(w) == option && !w.ends_with("=false"); });
  };
  for (const auto& s : synonyms)
    if (has(s.name) && has(s.other)) fail<argument_error>(s.other, " contradicts ", s.name, ": give one of them");
}

#ifdef ADVPROP_HAS_TOML
/// The same under the option's first name, by which it can be told to be that option.
std::string plain(const std::string& word) {
  for (const auto& s : synonyms) {
    const std::string other(s.other);
    if (word == other || word == other + "=true") return std::string(s.name) + "=" + std::string(s.value);
    if (word == other + "=false" && s.value == "false") return std::string(s.name) + "=true";
  }
  return word;
}

class reader {
 public:
  reader(std::string path, const std::vector<std::string>& given, configured& result)
      : path_(std::move(path)), given_(given), result_(result) {}

  void read() {
    const auto bytes = read_file<char>(path_, 1 << 20);
    try {
      add(toml::parse(std::string_view(bytes.data(), bytes.size()), path_));
    } catch (const toml::parse_error& e) {
      fail<file_error>(path_, ": line ", e.source().begin.line, ": ", std::string(e.description()));
    }
  }

 private:
  void add(const toml::table& t) {
    for (const auto& [key, value] : t) {
      if (const auto* inner = value.as_table()) {
        add(*inner);
        continue;
      }
      const std::string option = "--" + std::string(key.str());
      if (option == "--config") fail<file_error>(path_, ": config cannot stand in a configuration file");
      // Compare trains by every method, with the rest of a recipe for one, and for as many epochs by each.
      if ((option == "--method" || option == "--patience") && given_[0] == "compare") continue;
      if (overridden(option)) continue;
      if (const auto* list = value.as_array()) {
        if (list->size() > 1) result_.lists.insert(option);
        for (const auto& one : *list) add(key, one);
      } else {
        add(key, value);
      }
    }
  }

  bool overridden(std::string_view option) const {
    return std::any_of(given_.begin(), given_.end(),
                       [&](const auto& w) { return option_of(w) == option || option_of(plain(w)) == option; });
  }

  void add(const toml::key& key, const toml::node& value) {
    const std::string option = "--" + std::string(key.str());
    std::string text;
    if (const auto s = value.value_exact<std::string>()) {
      text = *s;
    } else if (const auto flag = value.value_exact<bool>()) {
      text = *flag ? "true" : "false";
    } else if (const auto i = value.value_exact<std::int64_t>()) {
      text = std::to_string(*i);
    } else if (const auto f = value.value_exact<double>()) {
      text = shortest(*f);
    } else {
      fail<file_error>(path_, ": line ", value.source().begin.line, ": ", option.substr(2),
                       " must be a text, a number, true or false, or a list of them");
    }
    const std::string word = plain(option + "=" + text), named(option_of(word));
    if (overridden(named)) return;
    const auto [known, fresh] = keys_.emplace(named, key.source().begin);
    if (!fresh && known->second != key.source().begin)
      fail<file_error>(path_, ": line ", key.source().begin.line, ": ", std::string(key.str()), " is what line ",
                       known->second.line, " says already");
    result_.words.push_back(word);
    result_.places[named] = path_ + ": line " + std::to_string(value.source().begin.line);
  }

  std::string path_;
  const std::vector<std::string>& given_;
  configured& result_;
  std::map<std::string, toml::source_position> keys_;  // tables only group: a key of two of them would be said twice
};
#else
class reader {
 public:
  reader(const std::string& path, const std::vector<std::string>&, configured&) {
    fail<argument_error>("--config ", path, ": this program was built without toml++ (Debian: libtomlplusplus-dev)");
  }
  void read() {}
};
#endif

}  // namespace

std::string configured::located(const std::string& message) const {
  const std::size_t at = message.find("--");
  // Named in passing, it is not what the message is about.
  if (at == message.npos || (at != 0 && !message.substr(0, at).ends_with(": "))) return message;
  const auto end = message.find_first_of(" =,:;", at);
  const auto place = places.find(message.substr(at, end == message.npos ? end : end - at));
  return place == places.end() ? message : place->second + ": " + message;
}

configured with_configuration(std::vector<std::string> words) {
  std::vector<std::string> files, rest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (option_of(words[i]) != "--config")
      rest.push_back(words[i]);
    else if (const auto sign = words[i].find('='); sign != std::string::npos)
      files.push_back(words[i].substr(sign + 1));
    else if (i + 1 < words.size())
      files.push_back(words[++i]);
    else
      fail<argument_error>("--config: which file?");
  }
  refuse_contradictions(rest);
  if (files.empty() || rest.empty()) return {rest, {}, {}};
  configured all{{rest[0]}, {}, {}};  // the subcommand
  for (const auto& file : files) reader(file, rest, all).read();
  all.words.insert(all.words.end(), rest.begin() + 1, rest.end());
  return all;
}

}  // namespace advprop::program
