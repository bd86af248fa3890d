// The definitions of chart.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <advprop/io/report/chart.hpp>

namespace advprop::html::detail {

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

/// Whether a point of `c` can be drawn.
inline bool drawable(const curve& c) { return std::any_of(c.points.begin(), c.points.end(), finite); }

/// A chart's curves, thinned, and where its numbers lie on the page; then what is drawn of it, one member a layer.
class plot {
 public:
  /// `c` has a curve that is drawable.
  explicit plot(const chart& c) : chart_(c) {
    bool fractions = true;
    double x0 = INFINITY, x1 = -INFINITY, y0 = c.from_zero ? 0 : INFINITY, y1 = -INFINITY;
    for (std::size_t i = 0; i < c.curves.size(); ++i) {
      if (!drawable(c.curves[i])) continue;
      thin_ |= c.curves[i].points.size() > most_points;
      curves_.push_back({c.curves[i].name, thinned(c.curves[i].points, most_points)});
      colors_.push_back((i < c.colors.size() ? c.colors[i] : static_cast<int>(i)) % palette_size);
      for (const auto p : curves_.back().points) {
        if (!finite(p)) continue;
        columns_.insert(p.x);
        fractions &= p.y >= 0 && p.y <= 1;
        whole_ &= p.x == std::floor(p.x);
        x0 = std::min(x0, p.x), x1 = std::max(x1, p.x);
        y0 = std::min(y0, p.y - p.spread), y1 = std::max(y1, p.y + p.spread);
      }
    }
    // A band may leave what a fraction can be; nothing is drawn there.
    if (c.y == scale::fraction && fractions) y0 = std::max(0., y0), y1 = std::min(1., y1);
    x_ = axis::around(x0, x1, 7, whole_ ? 1 : 0), y_ = axis::around(y0, y1, 5);
    if (c.y == scale::fraction && y0 >= 0 && y1 <= 1) {
      if (c.from_zero) y_ = {0, 1, 0.2};
      y_.low = std::max(0., y_.low), y_.high = std::min(1., y_.high);
    }
    if (x1 > x0) x_.low = x0, x_.high = x1;  // the data fills the width; ticks are where they are round

    int tick_letters = 0, name_letters = 0;
    for (int i = 0; i < y_.ticks(); ++i)
      tick_letters = std::max(tick_letters, code_points(label(y_.tick(i), c.y, y_.step)));
    for (const auto& k : curves_) name_letters = std::max(name_letters, label_at(0, 0, k.name).letters());
    left_ = 13 + 7.8 * tick_letters;
    right_ = width - (named() ? 16 + 8.6 * name_letters : 16);
  }

  /// There is more than one curve.
  bool named() const { return curves_.size() > 1; }
  bool thin() const { return thin_; }

  std::string axes() const {
    std::string svg;
    for (int i = 0; i < y_.ticks(); ++i) {
      const double v = at_y(y_.tick(i));
      svg += line("rule", left_, right_, v, v) + text("end", left_ - 7, v + 4.3, label(y_.tick(i), chart_.y, y_.step));
    }
    svg += line("base", left_, right_, floor, floor);
    for (const double v : ticks_of_x())
      svg += line("base", at_x(v), at_x(v), floor, floor + 4) +
             text("mid", at_x(v), floor + 18, label(v, scale::number, whole_ ? 1 : x_.step));
    return svg + text("mid", (left_ + right_) / 2, height - 6, escape(chart_.x_label));
  }

  std::string bands() const {
    std::string svg;
    for (std::size_t i = 0; i < curves_.size(); ++i) {
      const auto& points = curves_[i].points;
      if (std::none_of(points.begin(), points.end(), [](point p) { return p.spread > 0; })) continue;
      std::string upper, lower;
      for (const auto p : points)
        if (finite(p)) {
          upper += (upper.empty() ? "M" : "L") + n(at_x(p.x)) + " " + n(at_y(std::min(p.y + p.spread, y_.high)));
          lower = "L" + n(at_x(p.x)) + " " + n(at_y(std::max(p.y - p.spread, y_.low))) + lower;
        }
      svg += path("band f" + color(i), upper + lower + "Z");
    }
    return svg;
  }

  std::string lines() const {
    std::string svg;
    for (std::size_t i = 0; i < curves_.size(); ++i) {
      std::string way, marks;
      bool pen_down = false;
      for (const auto p : curves_[i].points) {
        if (finite(p)) {
          way += (pen_down ? "L" : "M") + n(at_x(p.x)) + " " + n(at_y(p.y));
          if (curves_[i].points.size() <= 24) marks += marker(colors_[i], at_x(p.x), at_y(p.y), 3.6);
        }
        pen_down = finite(p);
      }
      if (marks.empty()) marks = marker(colors_[i], at_x(last(i).x), at_y(last(i).y), 3.6);
      svg += path("line l" + color(i), way) + path("mark f" + color(i), marks);
    }
    return svg;
  }

  /// At the curves' right ends.
  std::string names() const {
    std::vector<end_label> ends;
    for (std::size_t i = 0; i < curves_.size(); ++i) ends.push_back(label_at(at_y(last(i).y), i, curves_[i].name));
    std::stable_sort(ends.begin(), ends.end(), [](const auto& a, const auto& b) { return a.y < b.y; });
    spread(ends, top - 6, floor + 4);
    std::string svg;
    for (const auto& e : ends) {
      const std::string look = "name f" + color(e.curve);
      svg += text(look, right_ + 9, e.y + (e.second.empty() ? 4.3 : -2.2), escape(e.first));
      if (!e.second.empty()) svg += text(look, right_ + 9, e.y + 10.8, escape(e.second));
    }
    return svg;
  }

  /// One invisible band for every x: pointing at it shows the values there.
  std::string tips() const {
    std::string svg;
    for (auto it = columns_.begin(); it != columns_.end() && columns_.size() <= 500; ++it) {
      const double from = it == columns_.begin() ? left_ : at_x((*std::prev(it) + *it) / 2);
      const double to = std::next(it) == columns_.end() ? right_ : at_x((*std::next(it) + *it) / 2);
      std::string tip = chart_.x_label + " " + significant(*it, 6), marks;
      for (std::size_t i = 0; i < curves_.size(); ++i)
        for (const auto p : curves_[i].points)
          if (finite(p) && p.x == *it) {
            tip += "\n" + curves_[i].name + ": " + detail::value(p.y, chart_.y) + spread_text(p, chart_.y);
            marks += path("f" + color(i), marker(colors_[i], at_x(p.x), at_y(p.y), 5.5));
          }
      svg += "<g class=\"hit\"><rect x=\"" + n(from) + "\" y=\"" + n(top) + "\" width=\"" + n(std::max(0., to - from)) +
             "\" height=\"" + n(floor - top) + "\"/><line x1=\"" + n(at_x(*it)) + "\" x2=\"" + n(at_x(*it)) +
             "\" y1=\"" + n(top) + "\" y2=\"" + n(floor) + "\"/>" + marks + "<title>" + escape(tip) + "</title></g>";
    }
    return svg;
  }

  /// List items: the curves' looks, names and last values.
  std::string legend() const {
    std::string items;
    for (std::size_t i = 0; i < curves_.size(); ++i)
      items += "<li><svg class=\"swatch\" viewBox=\"0 0 22 12\" aria-hidden=\"true\">" +
               path("line l" + color(i), "M1 6H21") + path("f" + color(i), marker(colors_[i], 11, 6, 4)) + "</svg>" +
               escape(curves_[i].name) + " <b>" + detail::value(last(i).y, chart_.y) + spread_text(last(i), chart_.y) +
               "</b></li>";
    return items;
  }

 private:
  static constexpr std::size_t most_points = 240;
  // The page, and where the horizontal axis lies.
  static constexpr double width = 480, height = 290, top = 10, floor = height - 42;

  static std::string n(double v) { return fixed(v, 1); }
  static std::string line(const std::string& look, double x1, double x2, double y1, double y2) {
    return "<line class=\"" + look + "\" x1=\"" + n(x1) + "\" x2=\"" + n(x2) + "\" y1=\"" + n(y1) + "\" y2=\"" + n(y2) +
           "\"/>";
  }
  static std::string text(const std::string& look, double x, double y, const std::string& words) {
    return "<text class=\"" + look + "\" x=\"" + n(x) + "\" y=\"" + n(y) + "\">" + words + "</text>";
  }
  static std::string path(const std::string& look, const std::string& way) {
    return "<path class=\"" + look + "\" d=\"" + way + "\"/>";
  }

  double at_x(double v) const { return left_ + (v - x_.low) / (x_.high - x_.low) * (right_ - left_); }
  double at_y(double v) const { return floor - (v - y_.low) / (y_.high - y_.low) * (floor - top); }
  std::string color(std::size_t i) const { return std::to_string(colors_[i]); }
  point last(std::size_t i) const {
    return *std::find_if(curves_[i].points.rbegin(), curves_[i].points.rend(), finite);
  }

  /// Where the measurements are, if these are few whole numbers with room between them; else round numbers.
  std::vector<double> ticks_of_x() const {
    std::vector<double> ticks(columns_.begin(), columns_.end());
    bool roomy = whole_ && ticks.size() > 1;
    for (std::size_t i = 1; i < ticks.size(); ++i)
      roomy &= at_x(ticks[i]) - at_x(ticks[i - 1]) > 17 + 6 * (ticks[i] >= 10) + 7 * (ticks[i] >= 100);
    if (roomy) return ticks;
    ticks.clear();
    axis round = x_;
    round.low = std::ceil(x_.low / x_.step - 1e-6) * x_.step;
    for (int i = 0; i < round.ticks(); ++i) ticks.push_back(round.tick(i));
    return ticks;
  }

  const chart& chart_;
  std::vector<curve> curves_;
  std::vector<int> colors_;
  std::set<double> columns_;          // all x
  bool whole_ = true, thin_ = false;  // all x are whole numbers; a curve is thinned
  axis x_, y_;
  double left_ = 0, right_ = 0;  // of the area between the axes
};

}  // namespace advprop::html::detail

namespace advprop::html {

ADVPROP_API std::string line_chart(const chart& c) {
  if (std::none_of(c.curves.begin(), c.curves.end(), detail::drawable)) return {};
  const detail::plot plot(c);
  const std::string note = "<p class=\"soft\"><small>Every point is the mean of several steps.</small></p>";
  return "<figure><figcaption>" + escape(c.title) + "</figcaption>" +
         (plot.named() ? element("ul", "legend", plot.legend()) : "") +
         "<svg viewBox=\"0 0 480 290\" role=\"img\" aria-label=\"" + escape(c.title) + "\">" + plot.axes() +
         plot.bands() + plot.lines() + (plot.named() ? plot.names() : "") + plot.tips() + "</svg>" +
         (plot.thin() ? note : "") + "</figure>";
}

}  // namespace advprop::html
