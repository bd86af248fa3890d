// advprop evaluate: a checkpoint on test images, clean and under attack; or several, on all that robustness is measured
// by.
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <advprop/io/file.hpp>
#include <advprop/io/metrics.hpp>
#include <advprop/io/report.hpp>
#include <advprop/io/text.hpp>

#include "checkpoint.hpp"
#include "choices.hpp"
#include "commands.hpp"
#include "data.hpp"
#include "evaluation.hpp"
#include "run_folder.hpp"
#include "runner.hpp"
#include "table.hpp"

namespace advprop::program {

namespace {

/// One checkpoint, clean and under the attacks of training.
void look_at(settings s, const checkpoint_facts& file) {
  const int domain = domain_in(s, file);
  std::vector<chosen_attack> attacks;
  if (!s.attacks.empty()) complete_attacks(s, static_cast<int>(s.attacks.size()));
  for (std::size_t i = 0; i < s.attacks.size(); ++i)
    attacks.push_back(attack_of(s, s.attacks[i], s.epsilons[i], s.step_sizes[i], s.steps[i]));

  const image_source test = load_test_data(s);
  check_images(file.path, file.metadata, test);
  tell_of_classes(file.path, file.metadata, test);
  any_device device = device_of(s);
  // No more domains than are needed: the others of the file are passed over.
  const auto net =
      load_network(device, s, file, {test.image().channels, test.classes}, domain, required_normalization(s, file));

  std::vector<std::vector<std::string>> rows = {{"", "top-1", "top-1 error", "top-5", "loss", "95 % of top-1"}};
  const auto measure = [&](const std::string& name, const chosen_attack& attack) {
    const tally t = net->evaluate(test, domain, 0, seed(s.seed), attack).total;
    rows.push_back({name, fixed(100 * t.accuracy(), 2) + " %", fixed(100 * (1 - t.accuracy()), 2) + " %",
                    fixed(100 * t.accuracy_top5(), 2) + " %", fixed(t.loss(), 4),
                    interval_text(t.accuracy(), static_cast<int>(t.images))});
  };
  measure("clean", {});
  for (const auto& a : attacks)
    if (a.which != chosen_attack::kind::none) measure(a.name(), a);
  std::printf("%s, %s on %s test images of %s, domain %s\n%s", file.path.c_str(), s.model.c_str(),
              grouped(test.size()).c_str(), test.name.c_str(), s.domain.c_str(), aligned(rows).c_str());
  if (const auto skipped = told_of_skipped(test.skipped()); !skipped.empty()) std::printf("%s\n", skipped.c_str());
}

/// What is named twice counts once.
template <class T>
void drop_repeated(std::vector<T>& list) {
  std::vector<T> once;
  for (const T& v : list)
    if (std::find(once.begin(), once.end(), v) == once.end()) once.push_back(v);
  list = once;
}

/// All that was asked for, in a table and, with `--out`, in files.
void evaluate_robustness(const settings& s, const std::vector<checkpoint_facts>& files) {
  if (!s.attacks.empty())
    fail<argument_error>("--attack is for a look at one checkpoint; an evaluation has --robust-attack");
  std::optional<detail::descriptor> held;
  if (!s.out.empty()) {
    const run_folder folder(s.out);
    if (file_exists(folder.training()) || file_exists(folder.metrics()) || file_exists(folder.summary()))
      fail<file_error>(s.out, ": holds a training run, whose report this one would replace: give --out another folder");
    held.emplace(folder.hold());
  }
  const evaluation_result r = run_evaluation(s, files);
  std::printf("%s test images of %s\n%s", grouped(r.test.size()).c_str(), r.test.name.c_str(),
              evaluation_table(r).c_str());
  for (const auto& warning : warnings_of(r)) std::printf("%s\n", warning.c_str());
  if (s.out.empty()) return;
  write_summary(s.out + "/evaluation.json", evaluation_json(s, r));
  write_file_atomically(s.out + "/evaluation.csv", evaluation_csv(r));
  write_file_atomically(s.out + "/predictions.csv", predictions_csv(r));
  write_report(s.out + "/report.html", evaluation_page(s, r));
  std::printf("%s/report.html\n", s.out.c_str());
}

}  // namespace

void evaluate(const settings& given) {
  settings s = given;
  s.model = s.models.empty() ? s.model : s.models[0];
  s.domain = s.domains.empty() ? s.domain : s.domains[0];
  s.normalization = s.normalizations.empty() ? s.normalization : s.normalizations[0];
  if (s.checkpoints.size() == 1)  // several looks at one
    s.checkpoints.resize(std::max({s.models.size(), s.domains.size(), s.normalizations.size(), std::size_t{1}}),
                         s.checkpoints[0]);
  std::vector<checkpoint_facts> files;
  for (const auto& path : s.checkpoints) files.push_back(facts_of(path));
  if (s.data == "folder") {
    s = seen_as_recorded(s, files);
    if (s.image_size == 0) s.image_size = native_size(completed(s, files[0]).model);
  }
  drop_repeated(s.severities);
  drop_repeated(s.robust_attacks);
  drop_repeated(s.robust_epsilons);
  const bool sets = !s.corruptions.empty() || !s.cifar10_1.empty() || !s.imagenet_a.empty() || !s.imagenet_r.empty() ||
                    !s.stylized.empty() || !s.cue_conflict.empty();
  if (s.checkpoints.size() > 1 || sets || !s.robust_attacks.empty() || !s.out.empty())
    evaluate_robustness(s, files);
  else if (!s.titles.empty())
    fail<argument_error>("--name stands in the table of an evaluation with --out, or of several checkpoints");
  else
    look_at(completed(s, files[0]), files[0]);
}

}  // namespace advprop::program
