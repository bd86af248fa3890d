// advprop train: one method, one folder.
#include <cstdio>
#include <string>
#include <vector>

#include "commands.hpp"
#include "data.hpp"
#include "experiment.hpp"
#include "quantities.hpp"
#include "table.hpp"

namespace advprop::program {

void train(const settings& given) {
  const settings s = resolved(given);
  const data_sets data = load_data(s);
  const run_folder folder(s.out);
  const experiment_result r = run_experiment(s, data, folder, s.method + ", " + s.model, "");
  std::vector<std::vector<std::string>> rows;
  for (const auto& q : told_quantities_of(r))
    if (q.unit == "%") rows.push_back({q.label, q.text(q.value) + " %", q.images > 0 ? q.interval_text() : ""});
  std::printf("%s\n%s.\n", aligned(rows).c_str(), told_of_intervals().c_str());
  if (r.corrupted.images > 0) std::printf("The corruption error is the mean over %s.\n", r.corrupted.kinds().c_str());
  if (r.validation_images > 0)
    std::printf("The weights are those of epoch %d%s.\n", r.epoch,
                s.select == "best" ? ", the best on the validation images" : ", the last");
  if (r.trained < s.epochs)
    std::printf("Training ended after epoch %d of %d: --patience is %d.\n", r.trained, s.epochs, s.patience);
  if (const auto told = told_of_skipped(r.skipped); !told.empty()) std::printf("%s\n", told.c_str());
  std::printf("%s\n", folder.report().c_str());
}

}  // namespace advprop::program
