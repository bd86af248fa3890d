// Options that change nothing.
#pragma once

#include <string>
#include <vector>

#include "settings.hpp"

namespace advprop::program {

/// Throws `argument_error` for an option among the words of the command line that changes nothing beside the other
/// settings. A configuration file may hold such options: the command line can switch off what they belong to.
void refuse_idle(const settings& s, const std::string& command, const std::vector<std::string>& words);

}  // namespace advprop::program
