// Means over seeds.
#include "method_runs.hpp"

#include <string_view>

#include <advprop/io/file.hpp>

namespace advprop::program {

namespace {

std::string listed(const std::vector<std::uint64_t>& seeds) {
  std::string text;
  for (const auto s : seeds) text += (text.empty() ? "" : ", ") + std::to_string(s);
  return text;
}

/// What `f` gives of each run.
template <class F>
std::vector<double> of_each(const method_runs& m, const F& f) {
  std::vector<double> values;
  for (const auto& r : m.runs) values.push_back(f(r));
  return values;
}

std::vector<curve> mean_curves(const method_runs& m, std::vector<curve> run_report::*member) {
  std::vector<curve> curves = m.runs[0].page.*member;
  for (std::size_t c = 0; c < curves.size(); ++c)
    for (std::size_t p = 0; p < curves[c].points.size(); ++p) {
      const auto s = statistics_of(of_each(m, [&](const auto& r) { return (r.page.*member)[c].points[p].y; }));
      curves[c].points[p].y = s.mean;
      curves[c].points[p].spread = s.deviation;
    }
  return curves;
}

std::vector<metrics_entry> lines_of(const std::string& path) {
  const auto bytes = read_file<char>(path);
  std::vector<metrics_entry> lines;
  std::string_view rest(bytes.data(), bytes.size());
  for (std::size_t end; (end = rest.find('\n')) != rest.npos; rest.remove_prefix(end + 1))
    lines.push_back(metrics_entry::parse(rest.substr(0, end)));
  return lines;
}

}  // namespace

std::vector<double> method_runs::values(std::size_t q) const {
  return of_each(*this, [&](const auto& r) { return quantities_of(r)[q].value; });
}

run_report page_of(const method_runs& m) {
  run_report page = m.runs[0].page;
  page.name = m.name;
  if (m.runs.size() == 1) return page;
  page.results.clear();
  auto quantities = told_quantities_of(m.runs[0]);
  for (std::size_t q = 0; q < quantities.size(); ++q) {
    const auto s = statistics_of(of_each(m, [&](const auto& r) { return told_quantities_of(r)[q].value; }));
    quantities[q].value = s.mean;
    page.results.push_back(measurement_of(quantities[q], "± " + quantities[q].text(s.deviation)));
  }
  for (auto& [name, value] : page.settings)
    if (name == "seed") value = listed(m.seeds);
  for (const auto member : {&run_report::losses, &run_report::accuracies, &run_report::robustness})
    page.*member = mean_curves(m, member);
  for (std::size_t i = 0; i < page.corruption_errors.values.size(); ++i)
    page.corruption_errors.values[i] =
        statistics_of(of_each(m, [&](const auto& r) { return r.page.corruption_errors.values[i]; })).mean;
  for (std::size_t r = 1; r < m.runs.size(); ++r)
    for (std::size_t i = 0; i < page.confusion.counts.size(); ++i)
      page.confusion.counts[i] += m.runs[r].page.confusion.counts[i];
  return page;
}

metrics_entry over_seeds(const std::vector<metrics_entry>& objects) {
  metrics_entry merged = metrics_entry::object();
  for (const auto& [name, first] : objects[0].items()) {
    std::vector<metrics_entry> members;
    for (const auto& o : objects) members.push_back(o.at(name));
    if (first.is_object()) {
      merged[name] = over_seeds(members);
    } else {
      const std::vector<double> values(members.begin(), members.end());
      const auto s = statistics_of(values);
      merged[name] = {{"mean", s.mean}, {"standard_deviation", s.deviation}, {"by_seed", values}};
    }
  }
  return merged;
}

void write_mean_metrics(const run_folder& folder, const std::vector<run_folder>& runs) {
  std::vector<std::vector<metrics_entry>> lines;
  for (const auto& r : runs) lines.push_back(lines_of(r.metrics()));
  metrics_log log(folder.metrics());
  for (std::size_t e = 0; e < lines[0].size(); ++e) {
    std::vector<metrics_entry> epoch;
    for (const auto& l : lines) epoch.push_back(l.at(e));
    metrics_entry merged = over_seeds(epoch);
    for (const char* same : {"epoch", "learning_rate", "images"}) merged[same] = epoch[0].at(same);
    log.write(merged);
  }
}

}  // namespace advprop::program
