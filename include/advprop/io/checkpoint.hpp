// Models to and from safetensors under PyTorch's names, and the state that a training run needs to go on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/io/archive.hpp>
#include <advprop/io/checkpoint_metadata.hpp>
#include <advprop/io/dialect.hpp>
#include <advprop/models/model.hpp>

namespace advprop {

namespace detail {

/// "bn1.running_mean" -> "bn1.num_batches_tracked"
inline std::string counter_of(std::string_view statistic) {
  return std::string(statistic.substr(0, statistic.rfind('.'))) + ".num_batches_tracked";
}

/// What is said of the network, and what it knows itself.
[[gnu::cold]] ADVPROP_API void put_metadata(safetensors_writer& out, checkpoint_metadata about, int channels,
                                            int classes, channel_statistics normalization);

/// Adds every tensor of the model for which `rename` gives a native name, under its name in the dialect, and what is to
/// be said of the network besides.
template <class Model, class Rename>
[[gnu::cold]] void write_model(safetensors_writer& out, const Model& net, Rename rename, dialect to = dialect::native,
                               const checkpoint_metadata& about = {}) {
  check_computes("save", net.device());
  put_metadata(out, about, Model::channels, Model::classes, input_statistics<typename Model::network_type>());
  std::vector<std::string> names;
  for (const parameter& p : net.table()) names.push_back(rename(p));
  names = translate(names, to);
  if (names.empty())
    fail<argument_error>("save: ", dialect_name(to), " has no such network, and so no names for its tensors");
  auto name = names.begin();
  for (const parameter& p : net.table()) {
    const std::string& own = *name++;
    if (own.empty()) continue;
    std::vector<float> host(p.count);
    memory_copy(net.device(), net[p], host);
    check_finite("save", p, host);
    out.add(own, p.shape, std::move(host));
    if (p.role == role::variance) {  // after it, as PyTorch has it
      out.add(counter_of(own), std::vector<std::int64_t>{}, std::vector<std::int64_t>{net.batches_tracked(p.set)});
    }
  }
}

}  // namespace detail

struct save_options {
  advprop::dialect dialect = advprop::dialect::native;  ///< whose names the tensors get
  /// What the file is to say of the network besides its channels, classes and normalization, which it knows itself.
  checkpoint_metadata metadata = {};
};

/// Writes every tensor of the model, auxiliary sets as timm names them (`bn1.aux_bn.0.weight`). The file appears whole
/// or not at all. Throws `file_error`, `numeric_error` for a number that is NaN or infinite, and `argument_error` for a
/// dialect that has no such network, for metadata that cannot be written and on a device for dry runs.
template <class Model>
void save(const Model& net, const std::string& path, const save_options& options = {}) {
  safetensors_writer out;
  out.metadata["format"] = "pt";
  detail::write_model(
      out, net, [](const parameter& p) { return p.name; }, options.dialect, options.metadata);
  out.write(path);
}

/// Writes an ordinary network: the batch norms of one domain under the main names, no auxiliary sets. What deployment
/// needs, and what any PyTorch ResNet loads.
template <class Model>
void save(const Model& net, domain only, const std::string& path, const save_options& options = {}) {
  using domains = typename Model::domains_type;
  if (only.index() >= domains::count)
    fail<argument_error>("domain out of range: ", only.index(), " of ", domains::count);
  safetensors_writer out;
  out.metadata["format"] = "pt";
  const auto plain_name = [&](const parameter& p) {
    const bool statistic = p.role == role::mean || p.role == role::variance;
    const bool norm = statistic || p.role == role::scale || p.role == role::shift;
    const int wanted = !norm ? 0 : statistic ? domains::statistic_set(only) : domains::affine_set(only);
    if (p.set != wanted) return std::string();
    std::string name = p.name;
    if (p.set > 0) {
      const std::string level = ".aux_bn." + std::to_string(p.set - 1);
      name.erase(name.rfind(level), level.size());
    }
    return name;
  };
  detail::write_model(out, net, plain_name, options.dialect, options.metadata);
  out.write(path);
}

struct load_options {
  bool classifier = true;  ///< false: the last layer keeps its own numbers, and the file's may have any shape
  /// False: the network may normalise images by other numbers than those the file records.
  bool same_normalization = true;
  /// False, as in PyTorch: what the file lacks stays as it is in the model, and what only the file has is left out; the
  /// report names both. A shape must fit all the same.
  bool strict = true;
};

/// What `load` found besides the tensors it wanted.
struct load_report {
  bool auxiliary_from_main = false;  ///< the file had no auxiliary sets, so the model's were copied from main
  int auxiliary_ignored = 0;         ///< auxiliary tensors in the file that the model has no domain for
  advprop::dialect dialect = advprop::dialect::native;  ///< whose names the file has
  checkpoint_metadata metadata;                         ///< what the file records
  std::vector<std::string> missing, unexpected;         ///< tensors, under the file's names; see `strict`
};

namespace detail {

/// A checkpoint beside a model's table: which tensor goes where, or why it does not fit.
class fitting {
 public:
  fitting(const safetensors& file, const std::vector<parameter>& table, bool others_allowed,
          const load_options& options);

  load_report report;
  std::vector<std::pair<const parameter*, std::vector<float>>> values;
  std::map<int, std::int64_t> tracked;  // by set

 private:
  std::vector<std::string> recognise(const std::vector<parameter>& table);
  void read(const parameter& p, const std::string& name);

  const safetensors& file_;
};

/// Where either side says nothing, nothing is compared.
[[gnu::cold]] ADVPROP_API void check_normalization(const std::string& file, const channel_statistics& recorded,
                                                   const channel_statistics& own);

template <class Model>
[[gnu::cold]] load_report read_model(const safetensors& file, Model& net, bool others_allowed = false,
                                     const load_options& options = {}) {
  check_computes("load", net.device());
  const fitting found(file, net.table(), others_allowed, options);  // throws before anything is changed
  if (options.same_normalization)
    check_normalization(file.name(), found.report.metadata.normalization,
                        input_statistics<typename Model::network_type>());
  for (const auto& [p, values] : found.values) memory_copy(net.device(), std::span<const float>(values), net[*p]);
  for (const auto& [set, count] : found.tracked) net.batches_tracked(set) = count;
  if (found.report.auxiliary_from_main) net.copy_main_to_auxiliary();
  return found.report;
}

}  // namespace detail

/// Reads a model written by `save`, by PyTorch ("module." and "_orig_mod." stripped) or by timm with split batch norms,
/// in whichever dialect its names are. An ordinary checkpoint fills auxiliary sets from main. Throws `file_error` that
/// counts what is missing, unexpected and of another shape and names the first of each, or where it has not one of the
/// model's tensors, or names a tensor that is not finite, or gives both normalizations where the file records another
/// than the network's, and then leaves the model as it was. For fine-tuning: `load(net, path, {.classifier = false})`.
template <class Model>
load_report load(Model& net, const std::string& path, const load_options& options = {}) {
  return detail::read_model(safetensors::read(path), net, false, options);
}

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/checkpoint.inl>
#endif
