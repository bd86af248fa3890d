// A run, or several side by side, as one self-contained HTML page: no script, nothing loaded from elsewhere.
#pragma once

#include <string>

#include <advprop/core/linkage.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/report/confusion.hpp>
#include <advprop/io/report/heat.hpp>
#include <advprop/io/report/run.hpp>
#include <advprop/io/report/sections.hpp>

namespace advprop {

/// The page. Throws argument_error where a picture or a confusion matrix does not fit its own sizes.
ADVPROP_API std::string report_html(const report& r);

/// Writes the page atomically. Throws file_error, and what `report_html` throws.
inline void write_report(const std::string& path, const report& r) { write_file_atomically(path, report_html(r)); }

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/report.inl>
#endif
