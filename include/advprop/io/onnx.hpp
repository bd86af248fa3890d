// A network as an ONNX file, for ONNX Runtime and other engines.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/linkage.hpp>
#include <advprop/io/file.hpp>
#include <advprop/io/onnx/graph.hpp>
#include <advprop/models/model.hpp>
#include <advprop/ops/recorder.hpp>

namespace advprop {

struct onnx_options {
  advprop::domain domain = main_domain;  ///< whose batch norms
  bool fold_batch_norm = true;           ///< into the convolution before, where nothing else reads that one's output
  int height = 0, width = 0;             ///< of the images; 0: any, left open in the file
  int opset = 17;                        ///< 13 to 22
};

namespace detail {

/// Protocol buffers hold less than 2 GiB.
inline void check_onnx_size(const std::string& path, std::uint64_t size) {
  if (size > INT_MAX)
    fail<file_error>(path, ": an ONNX file holds less than 2 GiB, the network takes ", size, " bytes");
}

ADVPROP_API void check_onnx_options(const onnx_options& o, int domains);

ADVPROP_API void write_onnx(const std::string& path, const onnx_graph& graph, const onnx_options& options, int channels,
                            int classes);

}  // namespace detail

/// Writes the evaluation pass through one domain. Input "images": batch x channels x height x width in [0,1], which the
/// graph normalises itself; output "logits": batch x classes. Throws `file_error`, also for more than 2 GiB,
/// `numeric_error` for a number that is NaN or infinite, and `argument_error` for options out of their range and on a
/// device for dry runs. A layer of one's own must be made of the library's operations; one that computes in a loop of
/// its own does not compile here.
template <class Model>
void export_onnx(Model& net, const std::string& path, const onnx_options& options = {}) {
  using network = typename Model::network_type;
  using domains = typename Model::domains_type;
  detail::check_onnx_options(options, domains::count);
  detail::check_computes("export_onnx", net.device());
  recorder device;
  model<network, domains, recorder> recorded(device);
  const int height = options.height > 0 ? options.height : sequential<>::probe;
  const int width = options.width > 0 ? options.width : sequential<>::probe;
  const auto logits =
      recorded.logits(const_image_view(nullptr, {1, height, width, Model::channels}), pass::evaluate(options.domain));

  std::set<const float*> used;
  for (const auto& s : device.steps()) used.insert(std::begin(s.numbers), std::end(s.numbers));
  detail::onnx_tensors tensors;
  for (std::size_t i = 0; i < net.table().size(); ++i) {  // both tables are made by the same layers
    const parameter& p = net.table()[i];
    const float* key = recorded[recorded.table()[i]].data();
    if (!used.contains(key)) continue;
    auto& t = tensors[key] = {p.name, p.shape, std::vector<float>(p.count)};
    memory_copy(net.device(), net[p], std::span<float>(t.values));
    detail::check_finite("export_onnx", p, t.values);
  }
  const detail::onnx_graph graph(device.steps(), device.value_at(logits.view().data), std::move(tensors),
                                 options.fold_batch_norm, options.height == 0);
  detail::write_onnx(path, graph, options, Model::channels, Model::classes);
}

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/io/onnx.inl>
#endif
