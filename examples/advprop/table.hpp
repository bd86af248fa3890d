// Text in aligned columns.
#pragma once

#include <string>
#include <vector>

namespace advprop::program {

/// The first column to the left, the others to the right; widths are those of UTF-8 text on a terminal.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

}  // namespace advprop::program
