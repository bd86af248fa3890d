// Line charts as inline SVG: no script, colours from the style sheet.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

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
inline bool finite(point p) { return std::abs(p.x) < 1e100 && std::abs(p.y) < 1e100 && std::abs(p.spread) < 1e100; }

/// Axis from `low` to `high` with a tick every `step`, a round number.
struct axis {
  double low = 0, high = 1, step = 1;

  static axis around(double least, double most, int ticks, double smallest_step = 0) {
    if (!(most > least)) {  // one value: give it room on both sides
      const double room = least == 0 ? 1 : std::abs(least) * 0.1;
      least -= smallest_step > 0 ? smallest_step : room;
      most += smallest_step > 0 ? smallest_step : room;
    }
    const double raw = (most - least) / ticks, power = std::pow(10., std::floor(std::log10(raw)));
    double step = 10 * power;
    for (const double m : {5., 2., 1.})
      if (m * power >= raw * 0.999) step = m * power;
    step = std::max(step, smallest_step);
    return {std::floor(least / step + 1e-6) * step, std::ceil(most / step - 1e-6) * step, step};
  }
  int ticks() const { return static_cast<int>(std::floor((high - low) / step + 1e-6)) + 1; }
  double tick(int i) const {
    const double v = low + i * step;
    return std::abs(v) < step * 1e-6 ? 0 : v;
  }
};

inline std::string label(double v, scale s, double step) {
  const double unit = s == scale::fraction ? 100 : 1;
  if (s == scale::number && v != 0 && (step < 1e-4 || std::abs(v) >= 1e7)) return significant(v, 3);
  const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step * unit) - 1e-6)));
  const std::string text = digits == 0 ? grouped(std::llround(v * unit)) : fixed(v * unit, digits);
  return s == scale::fraction ? text + "%" : text;
}

inline std::string value(double v, scale s) {
  if (s == scale::fraction) return fixed(100 * v, 1) + "%";
  const double size = std::abs(v);
  return size >= 0.1 && size < 1000 ? fixed(v, 3) : significant(v, 3);
}

/// A marker around (x, y); its form says as much as its colour.
inline std::string marker(int form, double x, double y, double r) {
  const auto at = [&](double dx, double dy) { return fixed(x + dx * r, 1) + " " + fixed(y + dy * r, 1); };
  switch (form % 4) {
    case 1:
      return "M" + at(-.9, -.9) + "L" + at(.9, -.9) + "L" + at(.9, .9) + "L" + at(-.9, .9) + "Z";
    case 2:
      return "M" + at(0, -1.2) + "L" + at(1.15, .8) + "L" + at(-1.15, .8) + "Z";
    case 3:
      return "M" + at(0, -1.3) + "L" + at(1.3, 0) + "L" + at(0, 1.3) + "L" + at(-1.3, 0) + "Z";
    default: {
      const std::string arc = "A" + fixed(r, 1) + " " + fixed(r, 1) + " 0 0 1 ";
      return "M" + at(-1, 0) + arc + at(1, 0) + arc + at(-1, 0) + "Z";
    }
  }
}

/// At most `most` points: means of equal runs of points where there are more.
inline std::vector<point> thinned(const std::vector<point>& points, std::size_t most) {
  if (points.size() <= most) return points;
  const std::size_t run = (points.size() + most - 1) / most;
  std::vector<point> result;
  for (std::size_t i = 0; i < points.size(); i += run) {
    const std::size_t end = std::min(points.size(), i + run);
    point sum{};
    int count = 0;
    for (std::size_t k = i; k < end; ++k)
      if (finite(points[k])) sum.x += points[k].x, sum.y += points[k].y, sum.spread += points[k].spread, ++count;
    result.push_back(count ? point{sum.x / count, sum.y / count, sum.spread / count} : points[i]);
  }
  return result;
}

/// "± 0.41" for a point with a band.
inline std::string spread_text(point p, scale s) { return p.spread > 0 ? " ± " + value(p.spread, s) : ""; }

/// A line's name at its right end, in one line or two.
struct end_label {
  double y;
  std::size_t curve;
  std::string first, second;
  double half() const { return second.empty() ? 7.5 : 14; }
  int letters() const { return std::max(code_points(first), code_points(second)); }
};

inline end_label label_at(double y, std::size_t curve, const std::string& name) {
  const auto middle = name.find(' ', name.size() / 3);
  if (code_points(name) <= 12 || middle == std::string::npos) return {y, curve, shortened(name, 14), {}};
  return {y, curve, shortened(name.substr(0, middle), 14), shortened(name.substr(middle + 1), 14)};
}

/// Moves labels sorted by y apart, within [low, high] as far as there is room.
inline void spread(std::vector<end_label>& l, double low, double high) {
  for (std::size_t i = 0; i < l.size(); ++i)
    l[i].y = std::max(l[i].y, i ? l[i - 1].y + l[i - 1].half() + l[i].half() : low + l[i].half());
  for (std::size_t i = l.size(); i-- > 0;)
    l[i].y = std::min(l[i].y, i + 1 < l.size() ? l[i + 1].y - l[i + 1].half() - l[i].half() : high - l[i].half());
}

}  // namespace detail

/// `<figure>` with title, legend and plot; "" where no curve has a finite point.
inline std::string line_chart(chart c) {
  using namespace detail;
  std::vector<int> colors;
  std::vector<curve> curves;
  bool whole = true, thin = false;
  double x0 = INFINITY, x1 = -INFINITY, y0 = c.from_zero ? 0 : INFINITY, y1 = -INFINITY;
  for (std::size_t i = 0; i < c.curves.size(); ++i) {
    if (std::none_of(c.curves[i].points.begin(), c.curves[i].points.end(), finite)) continue;
    thin |= c.curves[i].points.size() > 240;
    curves.push_back({std::move(c.curves[i].name), thinned(c.curves[i].points, 240)});
    colors.push_back((i < c.colors.size() ? c.colors[i] : static_cast<int>(i)) % palette_size);
    for (const auto p : curves.back().points) {
      if (!finite(p)) continue;
      whole &= p.x == std::floor(p.x);
      x0 = std::min(x0, p.x), x1 = std::max(x1, p.x);
      y0 = std::min(y0, p.y - p.spread), y1 = std::max(y1, p.y + p.spread);
    }
  }
  if (curves.empty()) return {};

  constexpr double width = 480, height = 290, top = 10, bottom = 42;
  axis x = axis::around(x0, x1, 7, whole ? 1 : 0), y = axis::around(y0, y1, 5);
  if (c.y == scale::fraction && y0 >= 0 && y1 <= 1) {
    if (c.from_zero) y = {0, 1, 0.2};
    y.low = std::max(0., y.low), y.high = std::min(1., y.high);
  }
  if (x1 > x0) x.low = x0, x.high = x1;  // the data fills the width; ticks are where they are round

  std::set<double> columns;
  for (const auto& k : curves)
    for (const auto p : k.points)
      if (finite(p)) columns.insert(p.x);

  int left_letters = 0, name_letters = 0;
  for (int i = 0; i < y.ticks(); ++i) left_letters = std::max(left_letters, code_points(label(y.tick(i), c.y, y.step)));
  for (const auto& k : curves) name_letters = std::max(name_letters, label_at(0, 0, k.name).letters());
  const bool named = curves.size() > 1;
  const double left = 13 + 7.8 * left_letters, right = named ? 16 + 8.6 * name_letters : 16;
  const auto at_x = [&](double v) { return left + (v - x.low) / (x.high - x.low) * (width - left - right); };
  const auto at_y = [&](double v) {
    return height - bottom - (v - y.low) / (y.high - y.low) * (height - bottom - top);
  };
  const auto n = [](double v) { return fixed(v, 1); };

  // Ticks where the measurements are, if these are few whole numbers with room between them; else round numbers.
  std::vector<double> marks_of_x(columns.begin(), columns.end());
  bool roomy = whole && marks_of_x.size() > 1;
  for (std::size_t i = 1; i < marks_of_x.size(); ++i)
    roomy &=
        at_x(marks_of_x[i]) - at_x(marks_of_x[i - 1]) > 17 + 6 * (marks_of_x[i] >= 10) + 7 * (marks_of_x[i] >= 100);
  if (!roomy) {
    marks_of_x.clear();
    axis ticks = x;
    ticks.low = std::ceil(x.low / x.step - 1e-6) * x.step;
    for (int i = 0; i < ticks.ticks(); ++i) marks_of_x.push_back(ticks.tick(i));
  }

  std::string svg = "<svg viewBox=\"0 0 480 290\" role=\"img\" aria-label=\"" + escape(c.title) + "\">";
  for (int i = 0; i < y.ticks(); ++i) {
    const std::string v = n(at_y(y.tick(i)));
    svg += "<line class=\"rule\" x1=\"" + n(left) + "\" x2=\"" + n(width - right) + "\" y1=\"" + v + "\" y2=\"" + v +
           "\"/><text class=\"end\" x=\"" + n(left - 7) + "\" y=\"" + n(at_y(y.tick(i)) + 4.3) + "\">" +
           label(y.tick(i), c.y, y.step) + "</text>";
  }
  svg += "<line class=\"base\" x1=\"" + n(left) + "\" x2=\"" + n(width - right) + "\" y1=\"" + n(height - bottom) +
         "\" y2=\"" + n(height - bottom) + "\"/>";
  for (const double v : marks_of_x)
    svg += "<line class=\"base\" x1=\"" + n(at_x(v)) + "\" x2=\"" + n(at_x(v)) + "\" y1=\"" + n(height - bottom) +
           "\" y2=\"" + n(height - bottom + 4) + "\"/><text class=\"mid\" x=\"" + n(at_x(v)) + "\" y=\"" +
           n(height - bottom + 18) + "\">" + label(v, scale::number, whole ? 1 : x.step) + "</text>";
  svg += "<text class=\"mid\" x=\"" + n((left + width - right) / 2) + "\" y=\"" + n(height - 6) + "\">" +
         escape(c.x_label) + "</text>";

  // Bands lie below all lines.
  for (std::size_t i = 0; i < curves.size(); ++i) {
    std::string upper, lower;
    for (const auto p : curves[i].points)
      if (finite(p)) {
        upper += (upper.empty() ? "M" : "L") + n(at_x(p.x)) + " " + n(at_y(p.y + p.spread));
        lower = "L" + n(at_x(p.x)) + " " + n(at_y(p.y - p.spread)) + lower;
      }
    if (std::any_of(curves[i].points.begin(), curves[i].points.end(), [](point p) { return p.spread > 0; }))
      svg += "<path class=\"band f" + std::to_string(colors[i]) + "\" d=\"" + upper + lower + "Z\"/>";
  }

  std::string legend;
  std::vector<end_label> ends;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const std::string color = std::to_string(colors[i]);
    std::string path, marks;
    bool pen_down = false;
    point last{};
    for (const auto p : curves[i].points) {
      if (finite(p)) {
        path += (pen_down ? "L" : "M") + n(at_x(p.x)) + " " + n(at_y(p.y));
        last = p;
        if (curves[i].points.size() <= 24) marks += marker(colors[i], at_x(p.x), at_y(p.y), 3.6);
      }
      pen_down = finite(p);
    }
    if (marks.empty()) marks = marker(colors[i], at_x(last.x), at_y(last.y), 3.6);
    svg += "<path class=\"line l" + color + "\" d=\"" + path + "\"/><path class=\"mark f" + color + "\" d=\"" + marks +
           "\"/>";
    ends.push_back(label_at(at_y(last.y), i, curves[i].name));
    legend += "<li><svg class=\"swatch\" viewBox=\"0 0 22 12\" aria-hidden=\"true\"><path class=\"line l" + color +
              "\" d=\"M1 6H21\"/><path class=\"f" + color + "\" d=\"" + marker(colors[i], 11, 6, 4) + "\"/></svg>" +
              escape(curves[i].name) + " <b>" + detail::value(last.y, c.y) + spread_text(last, c.y) + "</b></li>";
  }
  if (named) {
    std::stable_sort(ends.begin(), ends.end(), [](const auto& a, const auto& b) { return a.y < b.y; });
    spread(ends, top - 6, height - bottom + 4);
    for (const auto& e : ends) {
      const std::string begin =
          "<text class=\"name f" + std::to_string(colors[e.curve]) + "\" x=\"" + n(width - right + 9);
      svg += begin + "\" y=\"" + n(e.y + (e.second.empty() ? 4.3 : -2.2)) + "\">" + escape(e.first) + "</text>";
      if (!e.second.empty()) svg += begin + "\" y=\"" + n(e.y + 10.8) + "\">" + escape(e.second) + "</text>";
    }
  }

  // One invisible band for every x: pointing at it shows the values there.
  for (auto it = columns.begin(); it != columns.end() && columns.size() <= 500; ++it) {
    const double from = it == columns.begin() ? left : at_x((*std::prev(it) + *it) / 2);
    const double to = std::next(it) == columns.end() ? width - right : at_x((*std::next(it) + *it) / 2);
    std::string tip = c.x_label + " " + significant(*it, 6), marks;
    for (std::size_t i = 0; i < curves.size(); ++i)
      for (const auto p : curves[i].points)
        if (finite(p) && p.x == *it) {
          tip += "\n" + curves[i].name + ": " + detail::value(p.y, c.y) + spread_text(p, c.y);
          marks += "<path class=\"f" + std::to_string(colors[i]) + "\" d=\"" +
                   marker(colors[i], at_x(p.x), at_y(p.y), 5.5) + "\"/>";
        }
    svg += "<g class=\"hit\"><rect x=\"" + n(from) + "\" y=\"" + n(top) + "\" width=\"" + n(std::max(0., to - from)) +
           "\" height=\"" + n(height - bottom - top) + "\"/><line x1=\"" + n(at_x(*it)) + "\" x2=\"" + n(at_x(*it)) +
           "\" y1=\"" + n(top) + "\" y2=\"" + n(height - bottom) + "\"/>" + marks + "<title>" + escape(tip) +
           "</title></g>";
  }
  const std::string note = thin ? "<p class=\"soft\"><small>Every point is the mean of several steps.</small></p>" : "";
  return "<figure><figcaption>" + escape(c.title) + "</figcaption>" + (named ? element("ul", "legend", legend) : "") +
         svg + "</svg>" + note + "</figure>";
}

}  // namespace advprop::html
