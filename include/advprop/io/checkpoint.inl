// The definitions of checkpoint.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/io/checkpoint.hpp>

namespace advprop::detail {

inline std::string shape_text(const std::vector<std::int64_t>& s) {
  std::string t = "[";
  for (std::size_t i = 0; i < s.size(); ++i) t += (i ? ", " : "") + std::to_string(s[i]);
  return t + "]";
}

ADVPROP_API void put_metadata(safetensors_writer& out, checkpoint_metadata about, int channels, int classes,
                              channel_statistics normalization) {
  about.channels = channels;
  about.classes = classes;
  about.normalization = std::move(normalization);
  out.metadata.merge(metadata_entries(about));
}

/// The first few of them.
inline std::string some_of(const std::vector<std::string>& entries) {
  std::string text;
  for (std::size_t i = 0; i < entries.size() && i < 3; ++i) (text += i > 0 ? ", " : "") += entries[i];
  return text + (entries.size() > 3 ? ", ..." : "");
}

/// The table's names as the file has them.
ADVPROP_API std::vector<std::string> fitting::recognise(const std::vector<parameter>& table) {
  // Weights saved from torch's DataParallel or torch.compile carry these before every name, in either order.
  std::string prefix;
  for (const char* wrapper : {"module.", "_orig_mod.", "module."}) {
    const std::string longer = prefix + wrapper;
    if (std::ranges::all_of(file_.tensors(), [&](const auto& t) { return t.name.starts_with(longer); }))
      prefix = longer;
  }
  std::vector<std::string> own, best;
  for (const parameter& p : table) own.push_back(p.name);
  std::ptrdiff_t most = -1;
  for (dialect d : {dialect::native, dialect::torchvision, dialect::lukemelas}) {
    auto names = translate(own, d);
    for (auto& n : names) n = prefix + n;
    const auto hits = std::count_if(names.begin(), names.end(), [&](const auto& n) { return file_.contains(n); });
    if (hits <= most || names.empty()) continue;
    most = hits;
    best = std::move(names);
    report.dialect = d;
  }
  return best;
}

ADVPROP_API void fitting::read(const parameter& p, const std::string& name) {
  values.emplace_back(&p, file_.floats(name));
  for (float v : values.back().second)
    if (!(v - v == 0))
      fail<file_error>(file_.name(), ": tensor ", shown(name), " holds a NaN or an infinity");
    else if (p.role == role::variance && v < 0)
      fail<file_error>(file_.name(), ": tensor ", shown(name), " holds a negative variance");
  if (const std::string counter = counter_of(name); p.role == role::mean && file_.contains(counter)) {
    const auto counts = file_.integers(counter);
    if (counts.size() != 1) fail<file_error>(file_.name(), ": tensor ", shown(counter), " is not one number");
    tracked[p.set] = counts[0];
  }
}

ADVPROP_API fitting::fitting(const safetensors& file, const std::vector<parameter>& table, bool others_allowed,
                             const load_options& options)
    : file_(file) {
  report.metadata = metadata_of(file);
  const std::vector<std::string> names = recognise(table);
  const auto auxiliary = [](const tensor_info& t) { return t.name.find(".aux_bn.") != std::string::npos; };
  const bool file_has_sets = std::any_of(file.tensors().begin(), file.tensors().end(), auxiliary);
  const bool model_has_sets = std::any_of(table.begin(), table.end(), [](const parameter& p) { return p.set > 0; });
  report.auxiliary_from_main = model_has_sets && !file_has_sets;

  // The network's last weights, and their biases.
  std::string_view classifier;
  for (const parameter& p : table)
    if (p.role == role::weight) classifier = module_and_leaf(p.name).first;

  std::set<std::string, std::less<>> known;
  std::vector<std::pair<const parameter*, const std::string*>> wanted;
  std::vector<std::string> reshaped;
  bool only_classes = true;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const parameter& p = table[i];
    const std::string& name = names[i];
    known.insert(name);
    if (p.role == role::mean) known.insert(counter_of(name));
    const bool last = module_and_leaf(p.name).first == classifier;
    if ((p.set > 0 && report.auxiliary_from_main) || (last && !options.classifier)) continue;
    if (!file.contains(name)) {
      report.missing.push_back(name);
      continue;
    }
    const auto& shape = file.at(name).shape;
    if (shape == p.shape) {
      wanted.emplace_back(&p, &name);
      continue;
    }
    only_classes &=
        last && shape.size() == p.shape.size() && std::equal(shape.begin() + 1, shape.end(), p.shape.begin() + 1);
    reshaped.push_back(shown(name) + " is " + shape_text(shape) + ", not " + shape_text(p.shape));
  }
  for (const bool counters : {false, true})  // these lie first in a file, but tell the least
    for (const auto& t : file.tensors()) {
      if (known.contains(t.name) || t.name.ends_with(".num_batches_tracked") != counters) continue;
      if (auxiliary(t))
        ++report.auxiliary_ignored;
      else if (!others_allowed)
        report.unexpected.push_back(t.name);
    }

  if (!reshaped.empty() && only_classes && report.missing.empty() && report.unexpected.empty())
    fail<file_error>(file.name(), ": the classifier has another number of classes (", some_of(reshaped),
                     "); load everything else with {.classifier = false}");
  std::string what;
  const auto mention = [&](const std::vector<std::string>& entries, const char* how) {
    if (!entries.empty())
      what += (what.empty() ? "" : "; ") + std::to_string(entries.size()) + how + " (" + some_of(entries) + ")";
  };
  if (options.strict || wanted.empty())
    for (const auto& [list, how] : {std::pair(&report.missing, " missing"), {&report.unexpected, " unexpected"}}) {
      std::vector<std::string> quoted;
      std::transform(list->begin(), list->end(), std::back_inserter(quoted), shown);
      mention(quoted, how);
    }
  mention(reshaped, " of another shape");
  if (!what.empty())
    fail<file_error>(file.name(), ": does not fit the model of ", table.size(), " tensors (",
                     dialect_name(report.dialect), " names): ", what);
  for (const auto& [p, name] : wanted) read(*p, *name);
}

ADVPROP_API void check_normalization(const std::string& file, const channel_statistics& recorded,
                                     const channel_statistics& own) {
  if (recorded.mean.empty() || own.mean.empty() || nearly_equal(recorded, own)) return;
  fail<file_error>(file, ": holds a network for images normalised by ", description(recorded), ", this one has ",
                   description(own), "; load it all the same with {.same_normalization = false}");
}

}  // namespace advprop::detail
