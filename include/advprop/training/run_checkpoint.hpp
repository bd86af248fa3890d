// The state of a run of `fit`, in a file from which it goes on to the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/core/number_text.hpp>
#include <advprop/data/loader.hpp>
#include <advprop/io/checkpoint.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/best_weights.hpp>
#include <advprop/training/fit_options.hpp>

namespace advprop::detail {

/// Where a run is. Everything random follows from the seed and `step`, so this, the model and the optimizer are all.
struct run_position {
  std::int64_t step = 0;  // of the whole run
  int epoch = 0, step_of_epoch = 0;
  step_metrics metrics;  // of the epoch so far
  double seconds = 0;
};

/// What must be the same for a run to go on.
[[gnu::cold]] ADVPROP_API std::string run_fingerprint(const fit_options& o, std::span<loader* const> data,
                                                      const std::string& method, const std::string& optimizer,
                                                      const average_options* average, bool keeps_best,
                                                      double stochastic_depth);

/// What two such descriptions do not have in common, for an error.
[[gnu::cold]] ADVPROP_API std::string run_difference(const std::string& checkpoint, const std::string& own);

/// What an error adds where there is something to go back to.
[[gnu::cold]] ADVPROP_API std::string last_good_state(const fit_options& o);

/// Where the run and its loaders are; and read back.
[[gnu::cold]] ADVPROP_API void put_position(archive_writer& out, const run_position& at, std::span<loader* const> data);
[[gnu::cold]] ADVPROP_API run_position position_of(const archive& in);
[[gnu::cold]] ADVPROP_API std::vector<loader_state> loader_states_of(const archive& in, std::size_t count);

/// The arrays that a checkpoint keeps besides the model.
template <class Model, class State>
std::vector<std::pair<std::string, std::span<float>>> training_arrays(const State& optimizer,
                                                                      const averaged_weights<Model>* average) {
  std::vector<std::pair<std::string, std::span<float>>> list;
  for (const char* name : State::slots)
    list.emplace_back(std::string("training.").append(name), optimizer.slot(static_cast<int>(list.size())));
  if (average) {
    list.emplace_back("average.values", average->values());
    list.emplace_back("average.running", average->running());
  }
  return list;
}

template <class Model, class State>
[[gnu::cold]] void write_training(const std::string& path, Model& net, const State& optimizer,
                                  const averaged_weights<Model>* average, const best_weights<Model>* best,
                                  const run_position& at, std::span<loader* const> data,
                                  const std::string& fingerprint) {
  archive_writer out;
  write_model(out, net, [](const parameter& p) { return p.name; });
  for (const auto& [name, numbers] : training_arrays(optimizer, average)) {
    std::vector<float> host(numbers.size());
    memory_copy(net.device(), numbers, host);
    out.add(name, {static_cast<std::int64_t>(host.size())}, std::move(host));
  }
  out.put("updates", optimizer.updates);
  if (average) out.put("average.updates", average->updates);
  if (best) {
    out.put("best.epoch", best->epoch);
    out.put("best.score", best->score);
    for (std::size_t set = 0; set < best->tracked.size(); ++set)
      out.put("best.tracked" + std::to_string(set), best->tracked[set]);
    for (const auto& [name, numbers] : {std::pair("best.values", &best->values), {"best.running", &best->running}})
      out.add(name, {static_cast<std::int64_t>(numbers->size())}, std::vector<float>(*numbers));
  }
  out.put("run", std::string_view(fingerprint));
  put_position(out, at, data);
  out.write(path);
}

template <class Model, class State>
[[gnu::cold]] run_position read_training(const std::string& path, Model& net, State& optimizer,
                                         averaged_weights<Model>* average, best_weights<Model>* best,
                                         std::span<loader* const> data, const std::string& fingerprint) {
  const archive in = archive::read(path);
  if (const auto run = in.get<std::string>("run"); run != fingerprint)
    fail<file_error>(path, ": is the checkpoint of another run: ", run_difference(run, fingerprint));
  const run_position at = position_of(in);
  const std::vector<loader_state> states = loader_states_of(in, data.size());
  const auto updates = in.get<std::int64_t>("updates");
  const auto averaged = average ? in.get<std::int64_t>("average.updates") : 0;
  const auto arrays = training_arrays(optimizer, average);
  std::vector<std::vector<float>> host;
  for (const auto& [name, numbers] : arrays) in.copy_floats(name, host.emplace_back(numbers.size()));
  // Nothing is changed before all is read.
  std::vector<float> best_values, best_running;
  std::vector<std::int64_t> best_tracked;
  int best_epoch = 0;
  double best_score = 0;
  if (best) {
    best_epoch = in.get<int>("best.epoch");
    best_score = in.get<double>("best.score");
    for (std::size_t set = 0; set < best->tracked.size(); ++set)
      best_tracked.push_back(in.get<std::int64_t>("best.tracked" + std::to_string(set)));
    best_values.resize(best->values.size());
    best_running.resize(best->running.size());
    in.copy_floats("best.values", best_values);
    in.copy_floats("best.running", best_running);
  }
  read_model(in, net, true);
  if (best) {
    best->epoch = best_epoch;
    best->score = best_score;
    std::copy(best_tracked.begin(), best_tracked.end(), best->tracked.begin());
    best->values = std::move(best_values);
    best->running = std::move(best_running);
  }
  for (std::size_t i = 0; i < arrays.size(); ++i)
    memory_copy(net.device(), std::span<const float>(host[i]), arrays[i].second);
  optimizer.updates = updates;
  if (average) average->updates = averaged;
  for (std::size_t i = 0; i < data.size(); ++i) data[i]->seek(states[i]);
  return at;
}

}  // namespace advprop::detail

#if ADVPROP_HEADER_ONLY
#include <advprop/training/run_checkpoint.inl>
#endif
