// The command line.
#pragma once

#include <string>

#include "configuration.hpp"
#include "settings.hpp"

namespace advprop::program {

/// What to do, and how. `run` is null where the command line asked for help or was wrong; `status` is then the exit
/// code.
struct invocation {
  void (*run)(const settings&) = nullptr;
  settings given;
  configured line;
  int status = 0;
};

/// Of the program, such as "0.1.0".
std::string version();

/// Prints help to stdout; a mistake as one line to stderr.
invocation parse(int argc, const char* const* argv);

}  // namespace advprop::program
