// Line charts as inline SVG: no script, colours from the style sheet.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/io/report/html.hpp>
#include <advprop/io/report/run.hpp>
#include <advprop/io/text.hpp>

namespace advprop::html {

enum class scale { number, fraction };  ///< a fraction in [0, 1] is written in percent

/// Curve i has colour and marker `colors[i]`.
struct chart {
  std::string title, x_label;
  scale y = scale::number;
  bool from_zero = false;  ///< the vertical axis begins at 0; a fraction's then also ends at 1
  std::vector<curve> curves;
  std::vector<int> colors;
};

inline constexpr int palette_size = 8;

/// `<figure>` with title, legend and plot; "" where no curve has a finite point.
ADVPROP_API std::string line_chart(const chart& c);

}  // namespace advprop::html

#if ADVPROP_HEADER_ONLY
#include <advprop/io/report/chart.inl>
#endif
