// An evaluation as a page.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <advprop/io/png.hpp>
#include <advprop/io/text.hpp>

#include "evaluation.hpp"

namespace advprop::program {

namespace {

using kind = viewed_set::kind;

picture picture_of(const image_source& images, int i) { return to_picture(read_batch(images, i, 1).images.view()); }

picture_group mistakes_of(const evaluation_result& r, const viewed_set& v, const image_scores& scores) {
  constexpr std::size_t shown = 8;
  picture_group g;
  g.title = v.name;
  const question q = v.open();
  for (std::size_t k = 0; k < std::min(shown, scores.surest.size()); ++k) {
    const auto& m = scores.surest[k];
    g.pictures.push_back({picture_of(q.images, m.image),
                          r.test.class_names[static_cast<std::size_t>(q.images.label(m.image))],
                          "taken for " + r.logit_names[static_cast<std::size_t>(m.predicted)] + ", " +
                              fixed(100 * m.confidence, 1) + "% sure"});
  }
  return g;
}

std::vector<measurement> columns_of(const evaluation_result& r, const standing& s) {
  const auto accuracy = [](std::string name, double share, int images) -> measurement {
    return {std::move(name), share, "%", false, interval_text(share, images)};
  };
  std::vector<measurement> columns = {accuracy("clean accuracy", 1 - s.sets[0].error(), s.sets[0].images),
                                      {"calibration error", s.sets[0].calibration_l1, "%", true}};
  if (r.test.classes > 10) columns.insert(columns.begin() + 1, {"top-5", 1 - s.sets[0].top5_error()});
  const auto summary = summary_of(r, s);
  if (!summary.by_corruption.empty()) columns.push_back({mean_error_name(summary), summary.mean, "%", true});
  if (summary.complete && r.imagenet) columns.push_back({"mCE", summary.mce, "", true});
  for (std::size_t i = 0; i < r.sets.size(); ++i) {
    if (r.sets[i].which == kind::shift)
      columns.push_back(accuracy(r.sets[i].name + " accuracy", 1 - s.sets[i].error(), s.sets[i].images));
    if (r.sets[i].which == kind::cues) columns.push_back({"shape bias", s.sets[i].shape_bias});
  }
  // One strength of each attack: the curves have all.
  std::vector<std::string> named;
  if (!s.attacks.empty()) {
    const attack_scores& clean = s.attacks[0].scores;
    columns.push_back(accuracy("clean, the " + grouped(clean.images) + " that are attacked",
                               static_cast<double>(clean.correct) / clean.images, clean.images));
  }
  for (const auto& a : s.attacks) {
    if (std::find(named.begin(), named.end(), a.how.attack) != named.end()) continue;
    named.push_back(a.how.attack);
    const attacked* best = &a;
    const float usual = a.how.norm == attack::norm::l2 ? 127.5f : 4;
    for (const auto& other : s.attacks)
      if (other.how.attack == a.how.attack && std::abs(other.how.epsilon - usual) < std::abs(best->how.epsilon - usual))
        best = &other;
    columns.push_back(accuracy("under " + best->how.name(),
                               static_cast<double>(best->scores.robust) / best->scores.images, best->scores.images));
  }
  return columns;
}

std::vector<curve> curves_of(const standing& s) {
  std::vector<curve> curves;
  for (const auto& a : s.attacks) {
    std::string name = a.how.name();
    name = name.substr(0, name.find(','));
    auto at = std::find_if(curves.begin(), curves.end(), [&](const curve& c) { return c.name == name; });
    if (at == curves.end())
      at = curves.insert(curves.end(), {name, {{0, static_cast<double>(a.scores.correct) / a.scores.images}}});
    if (a.how.epsilon > 0)
      at->points.push_back({double{a.how.epsilon}, static_cast<double>(a.scores.robust) / a.scores.images});
  }
  for (auto& c : curves)
    std::sort(c.points.begin(), c.points.end(), [](const point& a, const point& b) { return a.x < b.x; });
  return curves;
}

/// The corruption and severity with the most errors.
std::size_t hardest(const evaluation_result& r) {
  std::size_t most = 0;
  double largest = -1;
  for (std::size_t i = 0; i < r.sets.size(); ++i) {
    if (r.sets[i].which != kind::corruption) continue;
    double errors = 0;
    for (const auto& s : r.standings) errors += s.sets[i].error();
    if (errors > largest) largest = errors, most = i;
  }
  return most;
}

}  // namespace

/// Rows are corruptions and the mean of those that count, columns severities and their mean.
heat_map errors_of(const evaluation_result& r, const standing& s) {
  heat_map m;
  m.x_label = "severity";
  std::vector<robustness::corruption> kinds;
  std::vector<int> levels;
  for (const auto& v : r.sets) {
    if (v.which != kind::corruption) continue;
    if (std::find(kinds.begin(), kinds.end(), v.corruption) == kinds.end()) kinds.push_back(v.corruption);
    if (std::find(levels.begin(), levels.end(), v.severity) == levels.end()) levels.push_back(v.severity);
  }
  if (kinds.empty()) return m;
  std::sort(levels.begin(), levels.end());
  const auto counted = counted_corruptions(kinds);
  const std::size_t columns = levels.size() + 1;
  for (const auto c : kinds) m.rows.emplace_back(to_string(c));
  for (const int l : levels) m.columns.push_back(std::to_string(l));
  m.rows.emplace_back("mean");
  m.columns.emplace_back("mean");
  m.values.assign(m.rows.size() * columns, 0);
  const auto place = [](const auto& list, const auto& value) {
    return static_cast<std::size_t>(std::find(list.begin(), list.end(), value) - list.begin());
  };
  for (std::size_t i = 0; i < r.sets.size(); ++i) {
    const viewed_set& v = r.sets[i];
    if (v.which != kind::corruption) continue;
    const std::size_t row = place(kinds, v.corruption), column = place(levels, v.severity);
    const double error = s.sets[i].error(), share = error / static_cast<double>(levels.size());
    m.values[row * columns + column] = error;
    m.values[row * columns + columns - 1] += share;
    if (place(counted, v.corruption) == counted.size()) continue;
    m.values[kinds.size() * columns + column] += error / static_cast<double>(counted.size());
    m.values.back() += share / static_cast<double>(counted.size());
  }
  return m;
}

picture_group samples_of(const evaluation_result& r) {
  std::map<robustness::corruption, std::vector<const viewed_set*>> sets;
  for (const auto& v : r.sets)
    if (v.which == kind::corruption) sets[v.corruption].push_back(&v);
  picture_group g;
  if (sets.empty()) return g;
  g.title = "One test image, corrupted in every way that was measured.";
  g.pictures.push_back({picture_of(r.test, 0), "clean", ""});
  for (const auto& [c, list] : sets) {
    const viewed_set& v = *list[list.size() / 2];
    std::string name(to_string(c));
    std::replace(name.begin(), name.end(), '_', ' ');  // so that it can be broken
    g.pictures.push_back({picture_of(v.open().images, 0), name, "severity " + std::to_string(v.severity)});
  }
  return g;
}

report evaluation_page(const settings& s, const evaluation_result& r) {
  report page;
  page.title = r.standings.size() == 1 ? r.standings[0].who.name : "Checkpoints side by side";
  page.subtitle = grouped(r.test.size()) + " test images of " + r.test.name + ".";
  const std::size_t worst = hardest(r);
  const metrics_entry common = conventions(s, r);
  for (const auto& one : r.standings) {
    run_report run;
    run.name = one.who.name;
    run.results = columns_of(r, one);
    run.robustness = curves_of(one);
    run.corruption_errors = errors_of(r, one);
    run.confusion = confusion_of(r, one);
    run.mistakes.push_back(mistakes_of(r, r.sets[0], one.sets[0]));
    if (worst > 0) run.mistakes.push_back(mistakes_of(r, r.sets[worst], one.sets[worst]));
    run.settings = {{"checkpoint", one.who.file.path},
                    {"content", one.who.content},
                    {"network", one.who.model},
                    {"domain", one.who.domain},
                    {"normalization", one.who.normalization}};
    for (const auto& [name, value] : common.items())
      run.settings.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
    page.runs.push_back(std::move(run));
  }
  page.samples = samples_of(r);
  if (summary_of(r, r.standings[0]).by_corruption.size() > 0) {
    page.notes.push_back(
        "The corruption error is the plain mean over corruptions and severities" +
        std::string(r.imagenet ? "; mCE is relative to AlexNet's errors on ImageNet-C." : ", as for CIFAR-10-C."));
    if (r.imagenet && r.test.classes != 1000)
      page.notes.push_back("AlexNet's errors are those on 1,000 classes: with " + std::to_string(r.test.classes) +
                           ", mCE compares these checkpoints with each other only.");
  }
  page.notes.push_back(
      "Behind an accuracy is its 95 % confidence interval (Wilson) by its number of images. Columns named error count "
      "what is wrong, the others what is right.");
  for (const auto& warning : warnings_of(r)) page.notes.push_back(warning);
  return page;
}

}  // namespace advprop::program
