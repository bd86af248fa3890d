// advprop compare: the three methods under one budget.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <advprop/io/report.hpp>
#include <advprop/io/text.hpp>

#include "commands.hpp"
#include "experiment.hpp"
#include "table.hpp"

namespace advprop::program {

namespace {

struct column {
  std::string head;
  std::function<double(const experiment_result&)> value;
  std::function<std::string(double)> text;
  bool less_is_better = false;
};

std::string result_table(const std::vector<experiment_result>& results) {
  const auto percent = [](double v) { return fixed(100 * v, 2) + " %"; };
  const auto& first = results[0];
  std::vector<column> columns = {
      {"clean", [](const auto& r) { return r.accuracy; }, percent},
      {fgsm_name(first), [](const auto& r) { return r.headline.fgsm; }, percent},
      {pgd_name(first), [](const auto& r) { return r.headline.pgd; }, percent},
      {"training", [](const auto& r) { return r.training_seconds; }, [](double v) { return fixed(v, 1) + " s"; }, true},
      {"per step", [](const auto& r) { return 1000 * r.step_seconds; }, [](double v) { return fixed(v, 1) + " ms"; },
       true},
  };
  if (first.corrupted.images > 0)
    columns.insert(columns.begin() + 1,
                   {"corruption error", [](const auto& r) { return r.corrupted.errors.mean; }, percent, true});
  std::vector<std::vector<std::string>> rows(results.size() + 1);
  rows[0].push_back("");
  for (std::size_t i = 0; i < results.size(); ++i) rows[i + 1].push_back(results[i].name);
  for (const auto& c : columns) {
    rows[0].push_back(c.head + "  ");
    std::vector<std::string> texts;
    std::size_t best = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      texts.push_back(c.text(c.value(results[i])));
      const double value = c.value(results[i]), so_far = c.value(results[best]);
      if (c.less_is_better ? value < so_far : value > so_far) best = i;
    }
    for (std::size_t i = 0; i < results.size(); ++i)  // equal to the digits shown is equally good
      rows[i + 1].push_back(texts[i] + (texts[i] == texts[best] ? " *" : "  "));
  }
  return aligned(rows);
}

metrics_entry summary_of(const settings& s, const std::vector<experiment_result>& results) {
  metrics_entry j;
  j["settings"] = to_json(s);
  for (const char* own : {"method", "aux", "attack", "weights", "execution", "share", "decoupled"})
    j["settings"].erase(own);
  j["epsilon"] = results[0].headline.epsilon;
  for (const auto& r : results)
    j["methods"][r.name] = {{"accuracy", r.accuracy},
                            {"accuracy_fgsm", r.headline.fgsm},
                            {"accuracy_pgd", r.headline.pgd},
                            {"training_seconds", r.training_seconds},
                            {"step_seconds_median", r.step_seconds}};
  if (results[0].corrupted.images > 0)
    for (const auto& r : results) j["methods"][r.name]["corruption_error"] = r.corrupted.errors.mean;
  return j;
}

/// SGD's steps are as long as gradients, and so as the sum of the weights.
std::string told_of_weights(const settings& advprop) {
  const double sum = std::accumulate(advprop.weights.begin(), advprop.weights.end(), 0.0);
  if (advprop.optimizer != "sgd" || sum < 1.001) return "";
  return "The weights of AdvProp's losses add up to " + significant(sum, 4) +
         ", clean training's loss has weight 1: at one learning rate, SGD's steps are longer with AdvProp, and with "
         "adversarial training on both kinds of images. --weights that add up to 1, such as 0.5,0.5, leave that out.";
}

}  // namespace

void compare(const settings& given) {
  const std::vector<std::string> methods = {"clean", "adversarial", "advprop"};
  std::vector<settings> runs;
  const auto headline = resolved(given).headline;
  for (const auto& method : methods) {
    settings s = given;
    s.method = method;
    s.headline = headline;
    s.out = given.out + "/" + method;
    if (method != "advprop") s.shares.clear(), s.decoupled = false;
    if (method == "clean") s.attacks.clear();
    if (method == "adversarial") {
      s.attacks.resize(std::min<std::size_t>(1, s.attacks.size()));
      s.weights.resize(std::min<std::size_t>(2, s.weights.size()));
    }
    runs.push_back(resolved(s));
  }
  const run_folder folder(given.out);
  folder.check(given.resume, given.force);
  const data_sets data = load_data(runs[0]);
  for (const auto& s : runs) check_experiment(s, data, run_folder(s.out));  // before any of them is trained
  folder.prepare(given.force);
  std::vector<experiment_result> results;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string title = std::to_string(i + 1) + "/3 " + methods[i] + std::string(11 - methods[i].size(), ' ');
    results.push_back(run_experiment(runs[i], data, run_folder(runs[i].out), methods[i], title));
  }

  report page;
  page.title = "Three ways to train " + runs[0].model;
  page.subtitle = data.train.name +
                  ": clean images only; adversarial training through one batch norm that all images share; "
                  "AdvProp, where adversarial images have batch norms of their own. The same images, epochs and seed.";
  for (auto& r : results) page.runs.push_back(r.page);
  page.samples = results[0].corrupted.samples;
  page.notes = report_notes(runs[0], results.back());
  if (const auto note = told_of_weights(runs.back()); !note.empty()) page.notes.push_back(note);
  write_report(folder.report(), page);
  write_summary(folder.summary(), summary_of(runs.back(), results));

  std::printf("\n%s\n%s\n", subject(runs[0], data).c_str(), result_table(results).c_str());
  std::printf("clean: accuracy on %s test images; FGSM and PGD: on the first %s of them, attacked",
              grouped(results[0].test_images).c_str(), grouped(results[0].attacked.images).c_str());
  if (const auto& c = results[0].corrupted; c.images > 0)
    std::printf(";\ncorruption error: the mean over %s at %d severities, on %s of them", c.kinds().c_str(),
                c.severities, grouped(c.images).c_str());
  std::printf("; * best in its column\n\n");
  if (!results.back().skipped.empty()) std::printf("%s\n\n", results.back().skipped.c_str());
  std::printf("%s\n", folder.report().c_str());
}

}  // namespace advprop::program
