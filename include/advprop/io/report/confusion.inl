// The definitions of confusion.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <advprop/io/report/confusion.hpp>

namespace advprop::html {

ADVPROP_API std::string confusion_figure(const confusion_matrix& m, const std::string& title) {
  const std::size_t classes = m.classes.size();
  if (m.counts.size() != classes * classes)
    fail<argument_error>("report: a confusion matrix of ", classes, " classes has ", m.counts.size(), " counts");
  if (classes == 0) return {};
  const bool lettered = classes <= 25;
  int letters = 0;
  for (const auto& name : m.classes) letters = std::max(letters, std::min(14, code_points(name)));
  const double cell = lettered ? 36 : 420.0 / static_cast<double>(classes), side = cell * static_cast<double>(classes);
  const double left = lettered ? 14 + 7.8 * letters : 24, below = lettered ? 34 + 4.8 * letters : 24;
  const double width = left + side + (lettered ? 8 : 4);
  const auto n = [](double v) { return fixed(v, 1); };
  std::string svg = "<svg viewBox=\"0 0 " + n(width) + " " + n(side + below) + "\" role=\"img\" aria-label=\"" +
                    escape(title) + "\">";
  for (std::size_t t = 0; t < classes; ++t) {
    std::int64_t total = 0;
    for (std::size_t p = 0; p < classes; ++p) total += m.counts[t * classes + p];
    const double y = cell * static_cast<double>(t);
    if (lettered)
      svg += "<text class=\"end\" x=\"" + n(left - 6) + "\" y=\"" + n(y + cell / 2 + 4.3) + "\">" +
             escape(shortened(m.classes[t], 14)) + "</text>";
    for (std::size_t p = 0; p < classes; ++p) {
      const auto count = m.counts[t * classes + p];
      if (count == 0 && !lettered) continue;
      const double x = left + cell * static_cast<double>(p), share = total > 0 ? double(count) / double(total) : 0;
      const double strength = std::sqrt(share);  // so that a mistake of 5 % shows beside a diagonal of 90 %
      svg += "<rect class=\"cell " +
             std::string(count == 0 ? "none"
                         : t == p   ? "hitrate"
                                    : "error") +
             "\" x=\"" + n(x + 1) + "\" y=\"" + n(y + 1) + "\" width=\"" + n(std::max(1., cell - 2)) + "\" height=\"" +
             n(std::max(1., cell - 2)) + "\"" + (lettered ? " rx=\"3\"" : "") +
             (count ? " fill-opacity=\"" + fixed(strength, 3) + "\"" : "") + "><title>" +
             escape(m.classes[t] + (t == p ? " recognised: " : " taken for " + m.classes[p] + ": ") + grouped(count) +
                    " of " + grouped(total) + " (" + fixed(100 * share, 1) + "%)") +
             "</title></rect>";
      if (lettered && count)
        svg += "<text class=\"count" + std::string(strength > 0.62 ? " over" : "") + "\" x=\"" + n(x + cell / 2) +
               "\" y=\"" + n(y + cell / 2 + 4) + "\">" + std::to_string(count) + "</text>";
    }
  }
  if (lettered)
    for (std::size_t p = 0; p < classes; ++p) {
      const std::string x = n(left + cell * (static_cast<double>(p) + 0.62)), y = n(side + 14);
      svg += "<text class=\"end\" transform=\"rotate(-42 " + x + " " + y + ")\" x=\"" + x + "\" y=\"" + y + "\">" +
             escape(shortened(m.classes[p], 14)) + "</text>";
    }
  svg += "<text class=\"mid\" x=\"" + n(left + side / 2) + "\" y=\"" + n(side + below - 4) +
         "\">predicted (rows: true class)</text>";
  return "<figure><figcaption>" + escape(title) + "</figcaption>" + svg + "</svg></figure>";
}

ADVPROP_API std::string mistakes(const report& r) {
  struct mistake {
    std::int64_t total = 0;
    std::size_t cell = 0;
  };
  std::vector<const run_report*> runs;
  for (const auto& run : r.runs)
    if (!run.confusion.classes.empty() && (runs.empty() || run.confusion.classes == runs[0]->confusion.classes))
      runs.push_back(&run);
  if (runs.empty()) return {};
  const auto& names = runs[0]->confusion.classes;
  std::vector<mistake> all;
  for (std::size_t cell = 0; cell < names.size() * names.size(); ++cell) {
    std::int64_t total = 0;
    for (const auto* run : runs) total += run->confusion.counts[cell];
    if (cell / names.size() != cell % names.size() && total > 0) all.push_back({total, cell});
  }
  if (all.empty()) return {};
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.total > b.total; });
  all.resize(std::min<std::size_t>(all.size(), 8));
  std::int64_t most = 1;
  for (const auto& m : all)
    for (const auto* run : runs) most = std::max(most, run->confusion.counts[m.cell]);

  std::string head = element("th", "", "true class, taken for"), rows;
  for (const auto* run : runs) head += element("th", "num", r.runs.size() > 1 ? escape(run->name) : "images");
  for (const auto& m : all) {
    std::string cells =
        element("td", "", escape(names[m.cell / names.size()]) + " → " + escape(names[m.cell % names.size()]));
    for (const auto* run : runs) {
      const auto count = run->confusion.counts[m.cell];
      cells += "<td class=\"num bar\" style=\"--share: " + fixed(100.0 * double(count) / double(most), 1) + "%\">" +
               grouped(count) + "</td>";
    }
    rows += element("tr", "", cells);
  }
  return element("figure", "",
                 element("figcaption", "", "The mistakes made most often") +
                     element("div", "scroll",
                             element("table", "settings",
                                     element("thead", "", element("tr", "", head)) + element("tbody", "", rows))));
}

}  // namespace advprop::html
