// The definitions of heat.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include <advprop/io/report/heat.hpp>

namespace advprop::html {

ADVPROP_API void check(const heat_map& m) {
  if (m.values.size() != m.rows.size() * m.columns.size())
    fail<argument_error>("report: a heat map of ", m.rows.size(), " x ", m.columns.size(), " has ", m.values.size(),
                         " values");
}

ADVPROP_API std::string heat_figure(const heat_map& m, const std::string& title) {
  check(m);
  if (m.values.empty()) return {};
  const std::size_t rows = m.rows.size(), columns = m.columns.size();
  int letters = 0;
  for (const auto& name : m.rows) letters = std::max(letters, std::min(20, code_points(name)));
  const double left = 14 + 6.9 * letters, high = 26, top = 22;
  const double cell = std::max(48., (440 - left) / static_cast<double>(columns));  // few columns fill the width
  const double width = left + cell * static_cast<double>(columns) + 4;
  const double height = top + high * static_cast<double>(rows) + (m.x_label.empty() ? 4 : 22);
  const auto n = [](double v) { return fixed(v, 1); };
  std::string svg =
      "<svg viewBox=\"0 0 " + n(width) + " " + n(height) + "\" role=\"img\" aria-label=\"" + escape(title) + "\">";
  for (std::size_t c = 0; c < columns; ++c)
    svg += "<text class=\"mid\" x=\"" + n(left + cell * (static_cast<double>(c) + 0.5)) + "\" y=\"" + n(top - 7) +
           "\">" + escape(shortened(m.columns[c], std::max(7, static_cast<int>(cell / 7)))) + "</text>";
  for (std::size_t r = 0; r < rows; ++r) {
    const double y = top + high * static_cast<double>(r);
    svg += "<text class=\"end\" x=\"" + n(left - 7) + "\" y=\"" + n(y + high / 2 + 4.3) + "\">" +
           escape(shortened(m.rows[r], 20)) + "</text>";
    for (std::size_t c = 0; c < columns; ++c) {
      const double value = m.values[r * columns + c], x = left + cell * static_cast<double>(c);
      const bool there = std::isfinite(value);
      const double strength = there ? std::clamp(value, 0., 1.) : 0;
      svg += "<rect class=\"cell " + std::string(there ? "error" : "none") + "\" x=\"" + n(x + 1) + "\" y=\"" +
             n(y + 1) + "\" width=\"" + n(cell - 2) + "\" height=\"" + n(high - 2) + "\" rx=\"3\"" +
             (there ? " fill-opacity=\"" + fixed(strength, 3) + "\"" : "") + "><title>" +
             escape(m.rows[r] + ", " + m.columns[c] + ": " + (there ? fixed(100 * value, 2) + "%" : "not measured")) +
             "</title></rect>";
      if (there)
        svg += "<text class=\"count" + std::string(strength > 0.62 ? " over" : "") + "\" x=\"" + n(x + cell / 2) +
               "\" y=\"" + n(y + high / 2 + 4) + "\">" + fixed(100 * value, 1) + "</text>";
    }
  }
  if (!m.x_label.empty())
    svg += "<text class=\"mid\" x=\"" + n(left + cell * static_cast<double>(columns) / 2) + "\" y=\"" + n(height - 4) +
           "\">" + escape(m.x_label) + "</text>";
  return "<figure><figcaption>" + escape(title) + "</figcaption>" + svg + "</svg></figure>";
}

ADVPROP_API heat_map compared_errors(const report& r) {
  heat_map m;
  for (const auto& run : r.runs) {
    check(run.corruption_errors);
    if (run.corruption_errors.values.empty()) continue;
    m.columns.push_back(run.name);
    for (const auto& row : run.corruption_errors.rows)
      if (std::find(m.rows.begin(), m.rows.end(), row) == m.rows.end()) m.rows.push_back(row);
  }
  for (const auto& row : m.rows)
    for (const auto& run : r.runs) {
      const heat_map& own = run.corruption_errors;
      if (own.values.empty()) continue;
      const auto at = static_cast<std::size_t>(std::find(own.rows.begin(), own.rows.end(), row) - own.rows.begin());
      m.values.push_back(at < own.rows.size() ? own.values[(at + 1) * own.columns.size() - 1] : double{NAN});
    }
  return m;
}

}  // namespace advprop::html
