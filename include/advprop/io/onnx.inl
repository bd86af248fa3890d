// The definitions of onnx.hpp (core/linkage.hpp).
#pragma once

#include <cstdint>
#include <string>

#include <advprop/io/onnx.hpp>

namespace advprop::detail {

ADVPROP_API void check_onnx_options(const onnx_options& o, int domains) {
  if (o.domain.index() >= domains) fail<argument_error>("domain out of range: ", o.domain.index(), " of ", domains);
  if (o.opset < 13 || o.opset > 22) fail<argument_error>("export_onnx: opset ", o.opset, " is not one of 13 to 22");
  if (o.height < 0 || o.width < 0 || (o.height == 0) != (o.width == 0))
    fail<argument_error>("export_onnx: images of ", o.height, "x", o.width, "; both must be positive, or both 0 (any)");
}

ADVPROP_API void write_onnx(const std::string& path, const onnx_graph& graph, const onnx_options& options, int channels,
                            int classes) {
  protobuf_message ends;
  ends.text(2, "advprop");
  ends.message(
      11, onnx_value_info("images", {{0, "batch"}, {channels}, {options.height, "height"}, {options.width, "width"}}));
  ends.message(12, onnx_value_info("logits", {{0, "batch"}, {classes}}));
  std::uint64_t size = ends.bytes().size();
  for (const auto* pieces : {&graph.nodes(), &graph.initializers()})
    for (const auto& p : *pieces) size += p.size();
  const std::string head = onnx_model_head(options.opset, size);
  check_onnx_size(path, size + head.size());
  write_file_atomically(path, [&](atomic_file& file) {
    file.write(head);
    for (const auto* pieces : {&graph.nodes(), &graph.initializers()})
      for (const auto& p : *pieces) file.write(p);
    file.write(ends.bytes());
  });
}

}  // namespace advprop::detail
