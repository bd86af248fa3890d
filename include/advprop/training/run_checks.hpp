// What `fit` refuses before it does anything.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <advprop/data/loader.hpp>
#include <advprop/io/file.hpp>
#include <advprop/layers/map_sizes.hpp>
#include <advprop/training/averaged_weights.hpp>
#include <advprop/training/best_weights.hpp>
#include <advprop/training/fit_options.hpp>
#include <advprop/training/method.hpp>

namespace advprop::detail {

/// Throws `argument_error` where a loader's batches, or its last one, are too small for the method, as where a batch
/// norm would see one value per channel.
template <class Model, class Method>
[[gnu::cold]] void check_batches(std::span<loader* const> data, const Method& method, int micro_batch) {
  if constexpr (tells_smallest_pass<Method>) {
    std::vector<int> whole;
    for (const loader* l : data) whole.push_back(l->options().batch);
    const bool whole_passes = [&] {
      try {
        return method.smallest_pass(whole, micro_batch) > 0;
      } catch (const argument_error&) {
        return false;
      }
    }();
    const auto check = [&](std::size_t i, int count) {
      std::vector<int> images = whole;
      const bool last = images[i] != count;
      images[i] = count;
      const auto refuse = [&](const auto&... why) {
        fail<argument_error>("fit: ", last ? "an epoch's last batch has " : "a batch has ", count,
                             count == 1 ? " image" : " images", why...,
                             last && whole_passes ? "; the loader's drop_last leaves it out" : "");
      };
      int pass = 0;
      try {
        pass = method.smallest_pass(images, micro_batch);
      } catch (const argument_error& e) {
        refuse(": ", e.what());
      }
      const shape image{Model::channels, data[i]->image().height, data[i]->image().width};
      if (pass == 1 && smallest_norm<typename Model::network_type>(image) == 1)
        refuse(", and of the network's maps of one pixel a batch norm would be given one value per channel");
    };
    for (std::size_t i = 0; i < data.size(); ++i) {
      if (data[i]->images() >= whole[i]) check(i, whole[i]);
      check(i, data[i]->images() - (data[i]->batches() - 1) * whole[i]);
    }
  }
}

/// Throws `argument_error` for what cannot be a run, `file_error` where its checkpoint cannot be written.
template <class Model, class Method>
[[gnu::cold]] void check_run(const Model& net, std::span<loader* const> data, const Method& method,
                             const fit_options& options, const averaged_weights<Model>* average,
                             const best_weights<Model>* best) {
  check_computes("fit", net.device());
  if (options.epochs < 1) fail<argument_error>("fit: epochs is ", options.epochs, ", must be 1 or more");
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1))
    fail<argument_error>("fit: label_smoothing is ", options.label_smoothing, ", must be in [0, 1)");
  if (options.checkpoint_steps < 0)
    fail<argument_error>("fit: checkpoint_steps is ", options.checkpoint_steps, ", must be 0 or more");
  if (options.resume && options.checkpoint.empty()) fail<argument_error>("fit: resume needs the path of a checkpoint");
  if (!options.checkpoint.empty()) const atomic_file writable(options.checkpoint);  // or an epoch's work would be lost
  for (std::size_t i = 0; i < data.size(); ++i)
    if (!data[i]) fail<argument_error>("fit: data stream ", i, " is a null pointer");
  for (std::size_t i = 0; i < data.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (data[i] == data[j]) fail<argument_error>("fit: data streams ", j, " and ", i, " are one loader");
  // One too many is a domain that was to have images of its own and reads the main ones.
  if (static_cast<int>(data.size()) != method.streams())
    fail<argument_error>("fit: the method reads ", method.streams(), " data streams, ", data.size(), " were given",
                         data.size() > 1 ? "; auxiliary[k].stream says which of them domain k reads" : "");
  for (const loader* l : data)
    if (l->classes() != Model::classes)
      fail<argument_error>("fit: the data have ", l->classes(), " classes, the network ", Model::classes);
  if (options.batch != 0 && options.batch != data[0]->options().batch)
    fail<argument_error>("fit: batch is ", options.batch, ", but the loader makes batches of ",
                         data[0]->options().batch);
  if (average && !average->follows(net))
    fail<argument_error>("fit: the average is another model's, or the model holds the average");
  if (best && !best->follows(net)) fail<argument_error>("fit: the best weights are to be another model's");
  if (options.micro_batch < 0) fail<argument_error>("fit: micro_batch is ", options.micro_batch, ", must be 0 or more");
  if (options.micro_batch > 0 && !takes_micro_batches<Method>)
    fail<argument_error>("fit: micro_batch is ", options.micro_batch,
                         ", but the method takes whole batches; see training_method");
  options.schedule.check();
  check_batches<Model>(data, method, options.micro_batch);
}

}  // namespace advprop::detail
