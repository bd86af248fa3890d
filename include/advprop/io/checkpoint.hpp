// Models to and from safetensors under PyTorch's names, and the state that a training run needs to go on.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <advprop/io/archive.hpp>
#include <advprop/models/model.hpp>

namespace advprop {

namespace detail {

inline std::string shape_text(const std::vector<std::int64_t>& s) {
  std::string t = "[";
  for (std::size_t i = 0; i < s.size(); ++i) t += (i ? ", " : "") + std::to_string(s[i]);
  return t + "]";
}

inline constexpr std::string_view running_mean = ".running_mean", batches_tracked = ".num_batches_tracked";

/// Adds every tensor of the model for which `rename` gives a name.
template <class Model, class Rename>
void write_model(safetensors_writer& out, Model& net, Rename rename) {
  for (const parameter& p : net.table()) {
    const std::string name = rename(p);
    if (name.empty()) continue;
    std::vector<float> host(p.count);
    memory_copy(net.device(), net[p], host);
    out.add(name, p.shape, std::move(host));
    if (p.role == role::variance) {  // after it, as PyTorch has it
      const std::string base = name.substr(0, name.rfind('.'));
      out.add(base + std::string(batches_tracked), std::vector<std::int64_t>{},
              std::vector<std::int64_t>{net.batches_tracked(p.set)});
    }
  }
}

}  // namespace detail

/// Writes every tensor of the model, auxiliary sets as timm names them (`bn1.aux_bn.0.weight`). The file appears whole
/// or not at all. Throws `file_error`.
template <class Model>
void save(Model& net, const std::string& path) {
  safetensors_writer out;
  out.metadata["format"] = "pt";
  detail::write_model(out, net, [](const parameter& p) { return p.name; });
  out.write(path);
}

/// Writes an ordinary network: the batch norms of one domain under the main names, no auxiliary sets. What deployment
/// needs, and what any PyTorch ResNet loads.
template <class Model>
void save(Model& net, domain only, const std::string& path) {
  using domains = typename Model::domains_type;
  if (only.index() >= domains::count)
    fail<argument_error>("domain out of range: ", only.index(), " of ", domains::count);
  safetensors_writer out;
  out.metadata["format"] = "pt";
  detail::write_model(out, net, [&](const parameter& p) {
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
  });
  out.write(path);
}

/// What `load` found besides the tensors it wanted.
struct load_report {
  bool auxiliary_from_main = false;  ///< the file had no auxiliary sets, so the model's were copied from main
  int auxiliary_ignored = 0;         ///< auxiliary tensors in the file that the model has no domain for
};

namespace detail {

template <class Model>
load_report read_model(const safetensors& file, Model& net, bool others_allowed = false) {
  // Weights saved from torch's DataParallel carry "module." before every name.
  std::string prefix = "module.";
  for (const auto& n : file.names())
    if (!n.starts_with(prefix)) prefix.clear();

  load_report report;
  bool any_auxiliary = false;
  for (const auto& n : file.names()) any_auxiliary |= n.find(".aux_bn.") != std::string::npos;
  report.auxiliary_from_main = !any_auxiliary && Model::domains_type::count > 1;

  // Everything is checked before anything is changed.
  std::vector<std::pair<const parameter*, std::vector<float>>> found;
  std::set<std::string, std::less<>> known;
  std::map<int, std::int64_t> tracked;
  for (const parameter& p : net.table()) {
    const std::string name = prefix + p.name;
    known.insert(name);
    if (p.role == role::mean) known.insert(name.substr(0, name.rfind('.')) + std::string(batches_tracked));
    if (p.set > 0 && report.auxiliary_from_main) continue;
    const tensor_info& t = file.at(name);
    if (t.shape != p.shape)
      fail<file_error>(file.name(), ": tensor ", shown(name), " has shape ", shape_text(t.shape), ", the model needs ",
                       shape_text(p.shape));
    found.emplace_back(&p, file.floats(name));
    for (float v : found.back().second)
      if (!(v - v == 0)) fail<file_error>(file.name(), ": tensor ", shown(name), " holds a NaN or an infinity");
    if (p.role == role::mean) {
      const std::string counter = name.substr(0, name.rfind('.')) + std::string(batches_tracked);
      if (file.contains(counter)) {
        const auto counts = file.integers(counter);
        if (counts.size() != 1) fail<file_error>(file.name(), ": tensor ", shown(counter), " is not one number");
        tracked[p.set] = counts[0];
      }
    }
  }
  for (const auto& n : file.names())
    if (!known.contains(n)) {
      if (n.find(".aux_bn.") != std::string::npos)
        ++report.auxiliary_ignored;
      else if (!others_allowed)
        fail<file_error>(file.name(), ": tensor ", shown(n), " has no place in the model");
    }

  for (const auto& [p, values] : found) memory_copy(net.device(), std::span<const float>(values), net[*p]);
  for (const auto& [set, count] : tracked) net.batches_tracked(set) = count;
  if (report.auxiliary_from_main) net.copy_main_to_auxiliary();
  return report;
}

}  // namespace detail

/// Reads a model written by `save`, by PyTorch (torchvision's and He's CIFAR names, "module." stripped) or by timm with
/// split batch norms. An ordinary checkpoint fills auxiliary sets from main. Throws `file_error` naming the tensor that
/// is missing, unknown, of another shape or not finite, and then leaves the model as it was.
template <class Model>
load_report load(Model& net, const std::string& path) {
  return detail::read_model(safetensors::read(path), net);
}

}  // namespace advprop
