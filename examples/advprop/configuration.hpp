// Options from TOML files.
#pragma once

#include <string>
#include <vector>

namespace advprop::program {

/// The words of a command line, with those of its `--config` files put in front of the other options. A key of the file
/// is an option's name; tables only group keys; a list gives an option several times; `true` is a flag, `false` leaves
/// it out. Options that the command line has too are left out. Throws `file_error` naming the file and, where it can,
/// the line.
std::vector<std::string> with_configuration(std::vector<std::string> words);

}  // namespace advprop::program
