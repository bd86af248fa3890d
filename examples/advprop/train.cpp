// advprop train: one method, one folder.
#include <cstdio>
#include <string>
#include <vector>

#include <advprop/io/text.hpp>

#include "commands.hpp"
#include "experiment.hpp"
#include "table.hpp"

namespace advprop::program {

void train(const settings& given) {
  const settings s = resolved(given);
  const data_sets data = load_data(s);
  const run_folder folder(s.out);
  const experiment_result r = run_experiment(s, data, folder, s.method + ", " + s.model, "");
  const auto percent = [](double v) { return fixed(100 * v, 2) + " %"; };
  std::vector<std::vector<std::string>> rows = {{"accuracy on clean images", percent(r.accuracy)},
                                                {"under " + fgsm_name(r), percent(r.headline.fgsm)},
                                                {"under " + pgd_name(r), percent(r.headline.pgd)}};
  if (r.corrupted.images > 0)
    rows.push_back({"corruption error, " + r.corrupted.kinds(), percent(r.corrupted.errors.mean)});
  std::printf("%s", aligned(rows).c_str());
  if (!r.skipped.empty()) std::printf("%s\n", r.skipped.c_str());
  std::printf("%s\n", folder.report().c_str());
}

}  // namespace advprop::program
