// advprop export: one domain of a checkpoint as an ONNX file.
#include <cstdio>

#include "checkpoint.hpp"
#include "choices.hpp"
#include "commands.hpp"
#include "data.hpp"
#include "runner.hpp"

namespace advprop::program {

void export_onnx(const settings& s) {
  const int domain = domain_of(s);
  if (const int there = auxiliaries_in(s.checkpoint); domain > there)
    fail<argument_error>("--domain ", s.domain, " is out of range: ", s.checkpoint, " has ", there,
                         " auxiliary domains");
  any_device device(std::make_unique<cpu>(s.threads));
  runner_options network;
  network.model = s.model;
  network.shape = {s.channels, s.classes};
  network.auxiliaries = domain;
  settings numbers = s;  // whose mean and deviation
  const bool data_set = s.normalization != "imagenet" && s.normalization != "symmetric";
  numbers.data = data_set ? s.normalization : "folder";
  numbers.normalization = data_set ? "dataset" : s.normalization;
  network.normalization = normalization(numbers);
  const auto net = make_runner(device, network);
  tell_of_names(s.checkpoint, s.model, net->load(s.checkpoint).dialect);
  net->export_onnx(s.out, domain, s.image_size > 0 ? s.image_size : native_size(s.model), s.fold);
  std::printf("%s\n", s.out.c_str());
}

}  // namespace advprop::program
