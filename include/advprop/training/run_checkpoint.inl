// The definitions of run_checkpoint.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <advprop/training/run_checkpoint.hpp>

namespace advprop::detail {

ADVPROP_API std::string run_fingerprint(const fit_options& o, std::span<loader* const> data, const std::string& method,
                                        const std::string& optimizer, const average_options* average, bool keeps_best,
                                        double stochastic_depth) {
  std::string s = o.run + "; seed " + std::to_string(o.seed.value) + "; smoothing " + shortest(o.label_smoothing) +
                  "; schedule " + o.schedule.description() + "; " + optimizer;
  if (o.schedule.by_length()) s += "; epochs " + std::to_string(o.epochs);
  if (!method.empty()) s += "; method " + method;
  if (o.micro_batch != 0) s += "; micro-batch " + std::to_string(o.micro_batch);
  if (average) s += "; average " + shortest(average->decay) + (average->warm_up ? " warm-up" : "");
  if (keeps_best) s += "; best epoch";
  if (stochastic_depth != 0) s += "; stochastic depth " + shortest(stochastic_depth);
  for (const loader* l : data) {
    const loader_options& own = l->options();
    s += "; batch " + std::to_string(own.batch) + " of " + std::to_string(l->batches()) + " from " +
         std::to_string(l->source_images()) + " images " + std::to_string(l->image().height) + "x" +
         std::to_string(l->image().width) + "x" + std::to_string(l->image().channels) + " seed " +
         std::to_string(own.seed.value);
    if (own.augment_stream != 0) s += " stream " + std::to_string(own.augment_stream);
    if (!own.shuffle) s += " in order";
  }
  return s;
}

ADVPROP_API std::string run_difference(const std::string& checkpoint, const std::string& own) {
  const auto parts = [](std::string_view text) {
    std::vector<std::string_view> list;
    while (true) {
      const std::size_t end = text.find("; ");
      list.push_back(text.substr(0, end));
      if (end == text.npos) return list;
      text.remove_prefix(end + 2);
    }
  };
  const auto beyond = [](std::vector<std::string_view> list, const std::vector<std::string_view>& other) {
    for (const std::string_view part : other)
      if (const auto at = std::find(list.begin(), list.end(), part); at != list.end()) list.erase(at);
    std::string text;
    for (const std::string_view part : list) text.append(text.empty() ? "" : "; ").append(part);
    return text;
  };
  std::string theirs = beyond(parts(checkpoint), parts(own)), mine = beyond(parts(own), parts(checkpoint));
  if (theirs.empty() && mine.empty()) theirs = checkpoint, mine = own;  // the same in another order
  if (theirs.empty()) return "it has not \"" + mine + "\", as this one";
  if (mine.empty()) return "it has \"" + theirs + "\", which this one has not";
  return "it has \"" + theirs + "\", this one \"" + mine + "\"";
}

ADVPROP_API std::string last_good_state(const fit_options& o) {
  if (o.checkpoint.empty() || !file_exists(o.checkpoint)) return {};
  return "; the last good state is in " + o.checkpoint;
}

ADVPROP_API void put_position(archive_writer& out, const run_position& at, std::span<loader* const> data) {
  out.put("step", at.step);
  out.put("epoch", at.epoch);
  out.put("step_of_epoch", at.step_of_epoch);
  out.put("seconds", at.seconds);
  out.put("parts", at.metrics.count);
  for (int i = 0; i < at.metrics.count; ++i) {
    const tally& t = at.metrics.parts[static_cast<std::size_t>(i)];
    const std::string key = "part" + std::to_string(i);
    out.put(key + ".loss", t.loss_sum);
    out.put(key + ".images", t.images);
    out.put(key + ".correct", t.correct);
    out.put(key + ".correct_top5", t.correct_top5);
  }
  for (std::size_t i = 0; i < data.size(); ++i) {
    const loader_state s = data[i]->state();
    out.put("loader" + std::to_string(i) + ".epoch", s.epoch);
    out.put("loader" + std::to_string(i) + ".batch", s.batch);
  }
}

ADVPROP_API run_position position_of(const archive& in) {
  run_position at;
  at.step = in.get<std::int64_t>("step");
  at.epoch = in.get<int>("epoch");
  at.step_of_epoch = in.get<int>("step_of_epoch");
  at.seconds = in.get<double>("seconds");
  at.metrics.count = in.get<int>("parts");
  if (at.metrics.count < 0 || at.metrics.count > routing::limit)
    fail<file_error>(in.name(), ": key 'parts' is out of range");
  for (int i = 0; i < at.metrics.count; ++i) {
    tally& t = at.metrics.parts[static_cast<std::size_t>(i)];
    const std::string key = "part" + std::to_string(i);
    t.loss_sum = in.get<double>(key + ".loss");
    t.images = in.get<long>(key + ".images");
    t.correct = in.get<long>(key + ".correct");
    t.correct_top5 = in.get<long>(key + ".correct_top5");
  }
  return at;
}

ADVPROP_API std::vector<loader_state> loader_states_of(const archive& in, std::size_t count) {
  std::vector<loader_state> states;
  for (std::size_t i = 0; i < count; ++i)
    states.push_back({in.get<std::int64_t>("loader" + std::to_string(i) + ".epoch"),
                      in.get<int>("loader" + std::to_string(i) + ".batch")});
  return states;
}

}  // namespace advprop::detail
