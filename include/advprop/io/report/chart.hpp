// Line charts as inline SVG: no script, colours from the style sheet.
#pragma once

#include <algorithm>
#include <cstddef>
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

namespace detail {

/// Drawable: what is beyond 1e100 would overflow on its way to a place on the page.
ADVPROP_API bool finite(point p);

ADVPROP_API std::string label(double v, scale s, double step);

ADVPROP_API std::string value(double v, scale s);

/// A marker around (x, y); its form says as much as its colour.
ADVPROP_API std::string marker(int form, double x, double y, double r);

/// A line's name at its right end, in one line or two.
struct end_label {
  double y;
  std::size_t curve;
  std::string first, second;
  double half() const { return second.empty() ? 7.5 : 14; }
  int letters() const { return std::max(code_points(first), code_points(second)); }
};

/// Moves labels sorted by y apart, within [low, high] as far as there is room.
ADVPROP_API void spread(std::vector<end_label>& l, double low, double high);

}  // namespace detail

/// `<figure>` with title, legend and plot; "" where no curve has a finite point.
ADVPROP_API std::string line_chart(const chart& c);

}  // namespace advprop::html

#if ADVPROP_HEADER_ONLY
#include <advprop/io/report/chart.inl>
#endif
