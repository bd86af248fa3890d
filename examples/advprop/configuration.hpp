// Options from TOML files.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace advprop::program {

/// A command line, and what of it configuration files said.
struct configured {
  std::vector<std::string> words;
  std::map<std::string, std::string> places;  // of options that a file gave: of "--epochs", "recipe.toml: line 3"
  std::set<std::string> lists;                // options of which a file gave several values at once

  /// The message, behind the place that gave the option which it begins with or complains of, where it was a file.
  std::string located(const std::string& message) const;
};

/// The words of a command line, with those of its `--config` files put in front of the other options. A key of the file
/// is an option's name; tables only group keys; a list gives an option several times; `true` is a flag, `false` leaves
/// it out. Options that the command line has too, under this name or another, are left out, and so is the method for
/// `compare`. Throws `file_error` naming the file and, where it can, the line; `argument_error` for a command line that
/// contradicts itself.
configured with_configuration(std::vector<std::string> words);

}  // namespace advprop::program
