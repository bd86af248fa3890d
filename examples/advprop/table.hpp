// Text in aligned columns, and fields of CSV files.
#pragma once

#include <string>
#include <vector>

namespace advprop::program {

/// The first column to the left, the others to the right; widths are those of UTF-8 text on a terminal.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

/// A field of a CSV file, in quotes where it has to be (RFC 4180).
std::string csv_field(const std::string& text);

}  // namespace advprop::program
