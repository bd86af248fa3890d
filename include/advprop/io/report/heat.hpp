// Heat maps of errors as inline SVG.
#pragma once

#include <string>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/io/report/html.hpp>
#include <advprop/io/report/run.hpp>
#include <advprop/io/text.hpp>

namespace advprop::html {

ADVPROP_API void check(const heat_map& m);

/// `<figure>` with a cell for each fraction, the redder the larger, and its number in per cent; what is not finite is
/// empty. Throws argument_error where values are not rows x columns.
ADVPROP_API std::string heat_figure(const heat_map& m, const std::string& title);

/// The last column of each run's errors, side by side.
ADVPROP_API heat_map compared_errors(const report& r);

}  // namespace advprop::html

#if ADVPROP_HEADER_ONLY
#include <advprop/io/report/heat.inl>
#endif
