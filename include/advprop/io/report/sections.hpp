// The sections of a report but its confusion matrices: numbers, charts, pictures, settings.
#pragma once

#include <string>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/io/report/chart.hpp>
#include <advprop/io/report/html.hpp>
#include <advprop/io/report/run.hpp>
#include <advprop/io/text.hpp>

namespace advprop::html {

using curves_of = std::vector<curve> run_report::*;

/// Colours of a page: of its runs where it compares some, else of its curves' names, the same in every chart.
class palette {
 public:
  int of(const std::string& name);

 private:
  std::vector<std::string> names_;
};

/// One run: one chart with all its curves. Several: one chart for every name of a curve, with one line a run.
ADVPROP_API std::string charts(const report& r, curves_of member, chart common, palette& colors);

/// One line a run, or one in all where the runs share it.
ADVPROP_API std::string learning_rate(const report& r);

ADVPROP_API std::string section(const std::string& heading, const std::string& text, const std::string& body);

ADVPROP_API std::string grid(const std::string& cells, const std::string& extra = {});

ADVPROP_API std::string number(const measurement& m);

inline std::string behind(const measurement& m) {
  return m.detail.empty() ? "" : " " + element("small", "soft", escape(m.detail));
}

/// One run: its numbers, large. Several: a table, the best of each column bold.
ADVPROP_API std::string results(const report& r);

ADVPROP_API std::string tables(const report& r);

/// Names down, runs across; what all runs share is said once.
ADVPROP_API std::string settings(const report& r);

ADVPROP_API std::string image(const picture& p, const std::string& alt);

ADVPROP_API std::string verdict(const prediction& p, const std::string& truth);

ADVPROP_API std::string pictures(const picture_gallery& g);

ADVPROP_API std::string thumbnails(const picture_group& g);

}  // namespace advprop::html

#if ADVPROP_HEADER_ONLY
#include <advprop/io/report/sections.inl>
#endif
