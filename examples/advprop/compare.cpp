// advprop compare: the three methods under one budget, with one seed or several.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iterator>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/report.hpp>
#include <advprop/io/text.hpp>

#include "choices.hpp"
#include "commands.hpp"
#include "experiment.hpp"
#include "method_runs.hpp"
#include "table.hpp"

namespace advprop::program {

namespace {

using text_table = std::vector<std::vector<std::string>>;

std::vector<std::string> heads(const std::vector<quantity>& quantities) {
  std::vector<std::string> row = {""};
  for (const auto& q : quantities) row.push_back(q.head);
  return row;
}

/// With one seed accuracies and their intervals, with several means and sample deviations; the best of a column has a
/// star.
text_table result_rows(const std::vector<method_runs>& methods) {
  const auto quantities = quantities_of(methods[0].runs[0]);
  text_table table = {heads(quantities)};
  for (auto& head : table[0]) head += head.empty() ? "" : "  ";
  for (const auto& m : methods) table.push_back({m.name});
  for (std::size_t q = 0; q < quantities.size(); ++q) {
    std::vector<sample_statistics> values;
    for (const auto& m : methods) values.push_back(statistics_of(m.values(q)));
    const auto better = [&](const auto& a, const auto& b) {
      return quantities[q].less_is_better ? a.mean < b.mean : a.mean > b.mean;
    };
    const std::string best = quantities[q].text(std::min_element(values.begin(), values.end(), better)->mean);
    for (std::size_t i = 0; i < methods.size(); ++i) {
      const quantity mine = quantities_of(methods[i].runs[0])[q];
      std::string text = mine.text(values[i].mean);
      const bool star = text == best;  // equal to the digits shown is equally good
      if (values[i].count > 1) text += " ± " + mine.text(values[i].deviation);
      text += " " + mine.unit;
      if (values[i].count == 1 && mine.images > 0) text += " " + mine.interval_text();
      table[i + 1].push_back(text + (star ? " *" : "  "));
    }
  }
  return table;
}

text_table seed_rows(const std::vector<method_runs>& methods) {
  text_table table = {heads(quantities_of(methods[0].runs[0]))};
  for (const auto& m : methods)
    for (std::size_t i = 0; i < m.runs.size(); ++i) {
      table.push_back({m.name + ", seed " + std::to_string(m.seeds[i])});
      for (const auto& q : quantities_of(m.runs[i])) table.back().push_back(q.text(q.value) + " " + q.unit);
    }
  return table;
}

/// To the first method, of what is in percent.
struct differences {
  text_table table;
  std::string note;
  metrics_entry json = metrics_entry::object();
};

differences differences_of(const std::vector<method_runs>& methods) {
  differences d;
  d.table = {{""}};
  std::string noise;
  for (std::size_t i = 1; i < methods.size(); ++i) d.table.push_back({methods[i].name + " - " + methods[0].name});
  const auto quantities = quantities_of(methods[0].runs[0]);
  for (std::size_t q = 0; q < quantities.size(); ++q) {
    if (quantities[q].unit != "%") continue;
    d.table[0].push_back(quantities[q].head);
    for (std::size_t i = 1; i < methods.size(); ++i) {
      const auto pairs = compare_pairs(methods[0].values(q), methods[i].values(q));
      const double mean = pairs.difference.mean, error = pairs.difference.standard_error();
      d.table[i].push_back((mean > 0 ? "+" : "") + quantities[q].text(mean) + " ± " + quantities[q].text(error));
      d.json[methods[i].name][quantities[q].key] = {
          {"mean", mean}, {"standard_error", error}, {"p_value", pairs.p_value}};
      if (pairs.within_noise())
        noise += (noise.empty() ? "" : "; ") + methods[i].name + ", " + quantities[q].head +
                 " (p = " + fixed(pairs.p_value, 2) + ")";
    }
  }
  const std::string seeds = std::to_string(methods[0].seeds.size()) + " seeds";
  d.note = noise.empty()
               ? "None of these differences is within noise: a paired t-test over " + seeds + " gives each p < 0.05."
               : "Within noise, so that " + seeds + " tell no difference to " + methods[0].name +
                     " training (paired t-test, p of 0.05 or more): " + noise + ".";
  return d;
}

metrics_entry summary_of(const settings& s, const std::vector<method_runs>& methods) {
  metrics_entry j;
  j["settings"] = to_json(s);
  for (const char* own : {"method", "aux", "aux-augment", "attack", "weights", "execution", "share", "decoupled"})
    j["settings"].erase(own);
  const auto& seeds = methods[0].seeds;
  if (seeds.size() > 1) j["seeds"] = seeds;
  j["epsilon"] = methods[0].runs[0].headline.epsilon;
  for (const auto& m : methods) {
    std::vector<metrics_entry> numbers(m.runs.size());
    for (std::size_t i = 0; i < m.runs.size(); ++i)
      for (const auto& q : quantities_of(m.runs[i])) {
        numbers[i][q.key] = q.value;
        if (seeds.size() == 1 && q.images > 0) {
          const auto [low, high] = q.interval();
          numbers[i][q.key + "_interval"] = {low, high};
        }
      }
    j["methods"][m.name] = seeds.size() > 1 ? over_seeds(numbers) : numbers[0];
  }
  if (seeds.size() > 1) j["differences_to_" + methods[0].name] = differences_of(methods).json;
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

/// The auxiliary domain whose attack adversarial training, which has one, takes: the first that has any.
std::size_t shared_attack(const settings& advprop) {
  const auto any =
      std::find_if(advprop.attacks.begin(), advprop.attacks.end(), [](const auto& a) { return a != "none"; });
  if (any == advprop.attacks.end())
    fail<argument_error>("compare: adversarial training needs an --attack other than none");
  return static_cast<std::size_t>(std::distance(advprop.attacks.begin(), any));
}

std::string told_of_attack(const settings& adversarial, const settings& advprop) {
  if (advprop.attacks.size() == 1) return "";
  const std::size_t k = shared_attack(advprop);
  return "Adversarial training takes one attack: that of auxiliary domain " + std::to_string(k) + " (" +
         method_of(adversarial).attacks[0].name() + ").";
}

/// The methods' settings: clean, adversarial, advprop.
std::vector<settings> methods_of(const settings& given) {
  const settings advprop = resolved(given);
  settings clean = given, adversarial = given;
  for (settings* s : {&clean, &adversarial})
    s->headline = advprop.headline, s->shares.clear(), s->aux_augments.clear(), s->decoupled = false;
  clean.method = "clean";
  clean.attacks.clear();
  adversarial.method = "adversarial";
  const std::size_t k = shared_attack(advprop);
  adversarial.attacks = {advprop.attacks[k]};
  adversarial.epsilons = {advprop.epsilons[k]};
  adversarial.step_sizes = {advprop.step_sizes[k]};
  adversarial.steps = {advprop.steps[k]};
  adversarial.weights = {advprop.weights[0], advprop.weights[k + 1]};
  return {resolved(clean), resolved(adversarial), advprop};
}

/// Where the runs of one seed lie among those of the method.
std::string place_of(const settings& given, const std::string& method, std::uint64_t s) {
  return given.out + "/" + method + (given.seeds > 1 ? "/seed-" + std::to_string(s) : "");
}

/// Throws where the folder has runs in the other layout, which --resume could not go on with.
void check_layout(const settings& given, const std::string& method) {
  const run_folder folder(given.out + "/" + method);
  if (given.seeds > 1) {
    folder.check(given.resume, given.force);
    if (given.resume && file_exists(folder.training()))
      fail<file_error>(folder.path(),
                       ": holds a run of one seed, which --seeds cannot go on with; --force replaces it");
  } else if (given.resume && file_exists(folder.path() + "/seed-" + std::to_string(given.seed))) {
    fail<file_error>(folder.path(), ": holds runs of several seeds: give --seeds as before to go on with them");
  }
}

/// What is to be trained, method by method and seed by seed.
struct planned_runs {
  std::vector<settings> chosen;             // by method
  std::vector<std::vector<settings>> runs;  // by method, by seed
  std::vector<method_runs> methods;         // with what came of them
};

/// Throws what a run would throw before its first step, before any of them is trained.
planned_runs plan_runs(const settings& given, std::vector<settings> chosen, const data_sets& data) {
  planned_runs all{std::move(chosen), {}, {}};
  for (const auto& method : all.chosen) {
    check_layout(given, method.method);
    all.methods.push_back({method.method, {}, {}});
    all.runs.emplace_back();
    for (int i = 0; i < given.seeds; ++i) {
      settings s = method;
      s.seed = given.seed + static_cast<std::uint64_t>(i);
      s.out = place_of(given, method.method, s.seed);
      check_experiment(s, data, run_folder(s.out));
      all.methods.back().seeds.push_back(s.seed);
      all.runs.back().push_back(std::move(s));
    }
  }
  return all;
}

/// Every folder of runs that --force replaces: the comparison's, the methods', and those of seeds, also of seeds that
/// the new comparison has not.
std::vector<run_folder> replaced(const settings& given, const planned_runs& all) {
  namespace fs = std::filesystem;
  std::vector<run_folder> folders = {run_folder(given.out)};
  for (const auto& m : all.methods) {
    const std::string path = given.out + "/" + m.name;
    folders.emplace_back(path);
    std::error_code none;  // there is no such folder
    for (const auto& entry : fs::directory_iterator(path, none))
      if (entry.path().filename().string().starts_with("seed-") && entry.is_directory())
        folders.emplace_back(entry.path().string());
  }
  return folders;
}

/// So that, if this comparison is killed, --resume meets no run of the old one.
void clear(const settings& given, const planned_runs& all) {
  const auto ours = [&](const std::string& path) {
    return std::any_of(all.runs.begin(), all.runs.end(), [&](const std::vector<settings>& seeds) {
      return std::any_of(seeds.begin(), seeds.end(), [&](const settings& s) { return s.out == path; });
    });
  };
  for (const run_folder& folder : replaced(given, all)) {
    folder.clear();
    const std::string name = std::filesystem::path(folder.path()).filename().string();
    std::error_code others;  // files of somebody else's: it stays
    if (name.starts_with("seed-") && !ours(folder.path())) std::filesystem::remove(folder.path(), others);
  }
}

/// Weights that the first method's run would replace before the second one's begins from them.
void check_initial(const settings& given, const planned_runs& all) {
  if (!given.force || given.initial.empty()) return;
  for (const run_folder& folder : replaced(given, all))
    if (folder.holds(given.initial))
      fail<argument_error>("--initial is ", given.initial,
                           ", which --force replaces while methods have still to begin from it: copy it elsewhere");
}

/// Every method with one seed, then with the next. `begun` is called once there was a step.
void train(planned_runs& all, const data_sets& data, const std::function<void()>& begun) {
  const std::size_t methods = all.methods.size(), seeds = all.runs[0].size();
  for (std::size_t i = 0, number = 1; i < seeds; ++i)
    for (std::size_t m = 0; m < methods; ++m, ++number) {
      const settings& s = all.runs[m][i];
      std::string title = std::to_string(number) + "/" + std::to_string(methods * seeds) + " " + s.method +
                          std::string(11 - s.method.size(), ' '),
                  name = s.method;
      if (seeds > 1) title += " seed " + std::to_string(s.seed), name += ", seed " + std::to_string(s.seed);
      all.methods[m].runs.push_back(
          run_experiment(s, data, run_folder(s.out), name, title, number == 1 ? begun : nullptr));
    }
}

/// What several seeds have besides.
struct seeds_told {
  std::string spread = "± is the sample standard deviation over the seeds.";
  std::string title = "Difference to clean training in points, paired by seed: mean ± standard error";
  differences apart;
  text_table each;
};

report page_of(const planned_runs& all, const data_sets& data, const seeds_told* seeds) {
  const settings& clean = all.chosen[0];
  const experiment_result& first = all.methods[0].runs[0];
  report page;
  page.title = "Three ways to train " + clean.model;
  page.subtitle = data.train.name +
                  ": clean images only; adversarial training through one batch norm that all images share; AdvProp, "
                  "where adversarial images have batch norms of their own. The same images, epochs and " +
                  (seeds ? std::to_string(all.runs[0].size()) + " seeds; means, and " + seeds->spread : "seed.");
  for (const auto& m : all.methods) page.runs.push_back(page_of(m));
  page.samples = first.corrupted.samples;
  page.notes = report_notes(clean, first);
  if (!seeds) page.notes.push_back(told_of_intervals() + ".");
  for (const auto& note : {told_of_attack(all.chosen[1], all.chosen[2]), told_of_weights(all.chosen[2])})
    if (!note.empty()) page.notes.push_back(note);
  if (seeds) {
    const text_table &apart = seeds->apart.table, &each = seeds->each;
    page.tables = {{seeds->title, apart[0], {apart.begin() + 1, apart.end()}, seeds->apart.note},
                   {"Each seed", each[0], {each.begin() + 1, each.end()}}};
    page.notes.push_back(
        "Curves and errors by corruption are means over the seeds, the bands their sample standard "
        "deviation. Confusions are those of all seeds together, the pictures the first seed's.");
  }
  return page;
}

void print(const planned_runs& all, const data_sets& data, const seeds_told* seeds) {
  const experiment_result& first = all.methods[0].runs[0];
  std::printf("\n%s, %s\n%s\n", subject(all.chosen[0], data).c_str(),
              seeds ? (std::to_string(all.runs[0].size()) + " seeds").c_str() : "one seed",
              aligned(result_rows(all.methods)).c_str());
  std::printf("clean: accuracy on %s test images; FGSM and PGD: on the first %s of them, attacked",
              grouped(first.test_images).c_str(), grouped(first.attacked.images).c_str());
  if (const auto& c = first.corrupted; c.images > 0)
    std::printf(";\ncorruption error: the mean over %s at %d severities, on %s of them", c.kinds().c_str(),
                c.severities, grouped(c.images).c_str());
  std::printf("; * best in its column\n");
  if (seeds)
    std::printf("%s\n\n%s:\n%s%s\n\nEach seed:\n%s\n", seeds->spread.c_str(), seeds->title.c_str(),
                aligned(seeds->apart.table).c_str(), seeds->apart.note.c_str(), aligned(seeds->each).c_str());
  else
    std::printf("%s: --seeds 3 measures that.\n\n", told_of_intervals().c_str());
  if (const auto told = told_of_attack(all.chosen[1], all.chosen[2]); !told.empty())
    std::printf("%s\n\n", told.c_str());
  if (const auto told = told_of_skipped(all.methods.back().runs.back().skipped); !told.empty())
    std::printf("%s\n\n", told.c_str());
}

}  // namespace

void compare(const settings& given) {
  if (given.seed > UINT64_MAX - static_cast<std::uint64_t>(given.seeds - 1))
    fail<argument_error>("--seed ", given.seed, " and ", given.seeds - 1, " more are not all seeds");
  std::vector<settings> chosen = methods_of(given);
  const run_folder folder(given.out);
  folder.check(given.resume, given.force);
  const data_sets data = load_data(chosen[0]);
  planned_runs all = plan_runs(given, std::move(chosen), data);
  check_initial(given, all);
  const auto held = folder.hold();
  std::optional<seeds_told> seeds;
  std::vector<detail::descriptor> held_besides;
  if (given.seeds > 1)
    for (const auto& m : all.methods) held_besides.push_back(run_folder(given.out + "/" + m.name).hold());
  train(all, data, [&] {
    if (given.force) clear(given, all);
  });
  if (given.seeds > 1) {
    for (std::size_t m = 0; m < all.methods.size(); ++m) {
      std::vector<run_folder> folders;
      for (const auto& s : all.runs[m]) folders.emplace_back(s.out);
      write_mean_metrics(run_folder(given.out + "/" + all.methods[m].name), folders);
    }
    seeds = {.apart = differences_of(all.methods), .each = seed_rows(all.methods)};
  }
  const seeds_told* besides = seeds ? &*seeds : nullptr;
  write_report(folder.report(), page_of(all, data, besides));
  write_summary(folder.summary(), summary_of(all.chosen[2], all.methods));
  print(all, data, besides);
  std::printf("%s\n", folder.report().c_str());
}

}  // namespace advprop::program
