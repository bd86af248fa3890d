// advprop export: one domain of a checkpoint as an ONNX file.
#include <cstdio>

#include "checkpoint.hpp"
#include "commands.hpp"

namespace advprop::program {

void export_onnx(const settings& given) {
  const checkpoint_facts file = facts_of(given.checkpoint);
  const settings s = seen_as_recorded(completed(given, file), {&file, 1});
  const int domain = domain_in(s, file);
  check_output(s, {s.checkpoint});
  any_device device(std::make_unique<cpu>(s.threads));
  const auto net = load_network(device, s, file, {s.channels, s.classes}, domain, required_normalization(s, file));
  const int size = s.image_size > 0 ? s.image_size : s.model.starts_with("efficientnet-") ? native_size(s.model) : 0;
  if (size == 0) fail<argument_error>("--image-size is needed: ", file.path, " records none");
  net->export_onnx(s.out, domain, size, s.fold);
  std::printf("%s\n", s.out.c_str());
}

}  // namespace advprop::program
