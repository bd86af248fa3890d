// Confusion matrices as inline SVG, and the mistakes made most often.
#pragma once

#include <string>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/io/report/html.hpp>
#include <advprop/io/report/run.hpp>
#include <advprop/io/text.hpp>

namespace advprop::html {

/// `<figure>` with a matrix: right answers on the diagonal in one colour, mistakes in the other, each row by its share.
/// Throws argument_error where counts are not classes x classes.
ADVPROP_API std::string confusion_figure(const confusion_matrix& m, const std::string& title);

/// The pairs confused most often, with a column a run; runs with other classes than the first have none.
ADVPROP_API std::string mistakes(const report& r);

}  // namespace advprop::html

#if ADVPROP_HEADER_ONLY
#include <advprop/io/report/confusion.inl>
#endif
