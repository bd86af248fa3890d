// The definitions of run_checkpoint.hpp (core/linkage.hpp).
#pragma once

#include <span>
#include <string>

#include <advprop/training/run_checkpoint.hpp>

namespace advprop::detail {

ADVPROP_API std::string run_fingerprint(const fit_options& o, std::span<loader* const> data,
                                        const std::string& optimizer, const average_options* average, bool keeps_best) {
  std::string s = o.run + "; epochs " + std::to_string(o.epochs) + "; seed " + std::to_string(o.seed.value) +
                  "; smoothing " + shortest(o.label_smoothing) + "; schedule " + o.schedule.description() + "; " +
                  optimizer;
  if (o.micro_batch != 0) s += "; micro-batch " + std::to_string(o.micro_batch);
  if (average) s += "; average " + shortest(average->decay) + (average->warm_up ? " warm-up" : "");
  if (keeps_best) s += "; best epoch";
  for (const loader* l : data) {
    const loader_options& own = l->options();
    s += "; batch " + std::to_string(own.batch) + " of " + std::to_string(l->batches()) + " seed " +
         std::to_string(own.seed.value);
    if (own.augment_stream != 0) s += " stream " + std::to_string(own.augment_stream);
    if (!own.shuffle) s += " in order";
  }
  return s;
}

ADVPROP_API std::string last_good_state(const fit_options& o) {
  if (o.checkpoint.empty() || !file_exists(o.checkpoint)) return {};
  return "; the last good state is in " + o.checkpoint;
}

}  // namespace advprop::detail
