// The definitions of sections.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <advprop/io/report/sections.hpp>

namespace advprop::html {

ADVPROP_API int palette::of(const std::string& name) {
  const auto at = std::find(names_.begin(), names_.end(), name);
  if (at != names_.end()) return static_cast<int>(at - names_.begin()) % palette_size;
  names_.push_back(name);
  return (static_cast<int>(names_.size()) - 1) % palette_size;
}

ADVPROP_API std::string charts(const report& r, curves_of member, chart common, palette& colors) {
  std::string result;
  if (r.runs.size() == 1) {
    for (const auto& c : r.runs[0].*member) common.curves.push_back(c), common.colors.push_back(colors.of(c.name));
    return line_chart(std::move(common));
  }
  std::vector<std::string> names;
  for (const auto& run : r.runs)
    for (const auto& c : run.*member)
      if (std::find(names.begin(), names.end(), c.name) == names.end()) names.push_back(c.name);
  for (const auto& name : names) {
    chart one = common;
    if (!name.empty()) one.title += ": " + name;
    for (std::size_t i = 0; i < r.runs.size(); ++i)
      for (const auto& c : r.runs[i].*member)
        if (c.name == name) one.curves.push_back({r.runs[i].name, c.points}), one.colors.push_back(static_cast<int>(i));
    result += line_chart(std::move(one));
  }
  return result;
}

ADVPROP_API std::string learning_rate(const report& r) {
  chart c{"Learning rate", "epoch", scale::number, true, {}, {}};
  const auto same = [&](const run_report& run) {
    return std::equal(run.learning_rate.begin(), run.learning_rate.end(), r.runs[0].learning_rate.begin(),
                      r.runs[0].learning_rate.end(), [](point a, point b) { return a.x == b.x && a.y == b.y; });
  };
  const bool shared = std::all_of(r.runs.begin(), r.runs.end(), same);
  for (std::size_t i = 0; i < (shared ? std::min<std::size_t>(1, r.runs.size()) : r.runs.size()); ++i) {
    c.curves.push_back({shared ? "learning rate" : r.runs[i].name, r.runs[i].learning_rate});
    c.colors.push_back(shared ? 6 : static_cast<int>(i));
  }
  return line_chart(std::move(c));
}

ADVPROP_API std::string section(const std::string& heading, const std::string& text, const std::string& body) {
  if (body.empty()) return {};
  return "<section>" + element("h2", "", escape(heading)) + (text.empty() ? "" : element("p", "soft", escape(text))) +
         body + "</section>\n";
}

ADVPROP_API std::string grid(const std::string& cells, const std::string& extra) {
  return cells.empty() ? "" : element("div", "grid" + extra, cells);
}

ADVPROP_API std::string number(const measurement& m) {
  if (!std::isfinite(m.value)) return "–";
  if (m.unit == "%") return fixed(100 * m.value, m.detail.empty() ? 1 : 2);
  const double size = std::abs(m.value);
  return size >= 1000                     ? grouped(std::llround(m.value))
         : m.value == std::floor(m.value) ? fixed(m.value, 0)
         : size >= 100                    ? fixed(m.value, 0)
         : size >= 1                      ? fixed(m.value, 1)
                                          : significant(m.value, 3);
}

ADVPROP_API std::string results(const report& r) {
  if (r.runs.size() == 1) {
    std::string tiles;
    for (const auto& m : r.runs[0].results)
      tiles += element("div", "tile",
                       element("b", "", number(m) + element("small", "", " " + escape(m.unit))) +
                           element("span", "", escape(m.name) + behind(m)));
    return tiles.empty() ? "" : element("div", "tiles", tiles);
  }
  std::vector<measurement> columns;
  const auto find = [](const run_report& run, const std::string& name) {
    return std::find_if(run.results.begin(), run.results.end(), [&](const auto& m) { return m.name == name; });
  };
  for (const auto& run : r.runs)
    for (const auto& m : run.results)
      if (std::none_of(columns.begin(), columns.end(), [&](const auto& c) { return c.name == m.name; }))
        columns.push_back(m);
  if (columns.empty()) return {};
  std::string head = element("th", "", "");
  for (auto& c : columns) {
    head += element("th", "num", escape(c.name + (c.unit.empty() ? "" : ", " + c.unit)));
    c.value = c.less_is_better ? INFINITY : -INFINITY;
    for (const auto& run : r.runs)
      if (const auto m = find(run, c.name); m != run.results.end() && std::isfinite(m->value))
        c.value = c.less_is_better ? std::min(c.value, m->value) : std::max(c.value, m->value);
  }
  std::string body;
  for (std::size_t i = 0; i < r.runs.size(); ++i) {
    std::string cells = element("th", "",
                                "<span class=\"key b" + std::to_string(static_cast<int>(i) % palette_size) +
                                    "\"></span>" + escape(r.runs[i].name));
    for (const auto& c : columns) {
      const auto m = find(r.runs[i], c.name);
      if (m == r.runs[i].results.end()) {
        cells += element("td", "num", "–");
        continue;
      }
      const std::string best = m->value == c.value ? " best" : "";
      if (m->unit == "%" && std::isfinite(m->value))
        cells += "<td class=\"num bar" + best + "\" style=\"--share: " + fixed(100 * std::clamp(m->value, 0., 1.), 1) +
                 "%\">" + number(*m) + behind(*m) + "</td>";
      else
        cells += element("td", "num" + best, number(*m) + behind(*m));
    }
    body += element("tr", "", cells);
  }
  return element(
      "div", "scroll",
      element("table", "results", element("thead", "", element("tr", "", head)) + element("tbody", "", body)));
}

ADVPROP_API std::string tables(const report& r) {
  std::string result;
  for (const auto& t : r.tables) {
    std::string head, body;
    for (const auto& name : t.head) head += element("th", head.empty() ? "" : "num", escape(name));
    for (const auto& row : t.rows) {
      std::string cells;
      for (const auto& text : row)
        cells += cells.empty() ? element("th", "", escape(text)) : element("td", "num", escape(text));
      body += element("tr", "", cells);
    }
    result +=
        element("h3", "", escape(t.title)) +
        element("div", "scroll",
                element("table", "", element("thead", "", element("tr", "", head)) + element("tbody", "", body))) +
        (t.note.empty() ? "" : element("p", "", escape(t.note)));
  }
  return result;
}

ADVPROP_API std::string settings(const report& r) {
  std::vector<std::string> names;
  for (const auto& run : r.runs)
    for (const auto& s : run.settings)
      if (std::find(names.begin(), names.end(), s.first) == names.end()) names.push_back(s.first);
  if (names.empty()) return {};
  std::string rows;
  for (const auto& name : names) {
    std::vector<std::string> values;
    for (const auto& run : r.runs) {
      const auto s =
          std::find_if(run.settings.begin(), run.settings.end(), [&](const auto& p) { return p.first == name; });
      values.push_back(s == run.settings.end() ? "–" : s->second);
    }
    std::string cells = element("th", "", escape(name));
    if (std::all_of(values.begin(), values.end(), [&](const auto& v) { return v == values[0]; }))
      cells += "<td colspan=\"" + std::to_string(values.size()) + "\">" + escape(values[0]) + "</td>";
    else
      for (const auto& v : values) cells += element("td", "", escape(v));
    rows += element("tr", "", cells);
  }
  std::string head;
  if (r.runs.size() > 1) {
    head = element("th", "", "");
    for (const auto& run : r.runs) head += element("th", "", escape(run.name));
    head = element("thead", "", element("tr", "", head));
  }
  return element("div", "scroll", element("table", "settings", head + element("tbody", "", rows)));
}

ADVPROP_API std::string image(const picture& p, const std::string& alt) {
  return "<img width=\"" + std::to_string(p.width) + "\" height=\"" + std::to_string(p.height) + "\" alt=\"" +
         escape(alt) + "\" src=\"data:image/png;base64," + base64(encode_png(p)) + "\" />";
}

ADVPROP_API std::string verdict(const prediction& p, const std::string& truth) {
  const bool right = p.label == truth;
  const std::string share = std::isfinite(p.confidence) ? fixed(100 * std::clamp(p.confidence, 0., 1.), 1) : "0";
  return element("span", right ? "right" : "wrong",
                 element("b", "", (right ? "✓ " : "✗ ") + escape(p.label)) +
                     element("span", "sure", "<u style=\"width: " + share + "%\"></u>") + share + "% sure");
}

ADVPROP_API std::string pictures(const picture_gallery& g) {
  std::string cards;
  for (const auto& row : g.rows)
    cards += element("div", "card",
                     element("h4", "", escape(row.truth)) +
                         element("div", "row",
                                 image(row.clean, "clean image: " + row.truth) + element("i", "", "+") +
                                     image(row.perturbation, "perturbation, magnified") + element("i", "", "=") +
                                     image(row.adversarial, "adversarial image") +
                                     verdict(row.clean_prediction, row.truth) + element("i", "", "") +
                                     element("span", "soft",
                                             element("b", "", "× " + significant(g.magnification, 3)) + "magnified") +
                                     element("i", "", "") + verdict(row.adversarial_prediction, row.truth)));
  return grid(cards, " thirds");
}

ADVPROP_API std::string thumbnails(const picture_group& g) {
  std::string cells;
  for (const auto& p : g.pictures)
    cells += element("div", "thumb",
                     image(p.image, p.title) + element("b", "", escape(p.title)) +
                         (p.text.empty() ? "" : element("span", "", escape(p.text))));
  return cells.empty() ? ""
                       : (g.title.empty() ? "" : element("h3", "", escape(g.title))) + element("div", "thumbs", cells);
}

}  // namespace advprop::html
