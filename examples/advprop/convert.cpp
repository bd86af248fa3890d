// advprop convert: the same numbers under other names, or with other domains.
#include <algorithm>
#include <cstdio>

#include "checkpoint.hpp"
#include "choices.hpp"
#include "commands.hpp"
#include "runner.hpp"

namespace advprop::program {

void convert(const settings& given) {
  const checkpoint_facts file = facts_of(given.checkpoint);
  const settings s = completed(given, file);
  const int domain = domain_in(s, file), there = file.auxiliaries;
  if (s.sets > 0 && domain > 0)
    fail<argument_error>("--domain ", s.domain, " makes an ordinary network, --aux ", s.sets,
                         " one with auxiliary sets: give one of them");
  check_output(s, {s.checkpoint});
  any_device device(std::make_unique<cpu>(s.threads));
  runner_options network;
  network.model = s.model;
  network.shape = {s.channels, s.classes};
  network.auxiliaries = std::max(domain, s.sets);
  network.normalization = file.metadata.normalization;
  const auto net = make_runner(device, network);
  const load_report report = net->load(s.checkpoint);
  tell_of_names(s.checkpoint, s.model, report.dialect);
  tell_of_names(s.out, s.model, dialect_of(s));
  const save_options written{.dialect = dialect_of(s), .metadata = file.metadata};
  if (s.sets > 0)
    net->save(s.out, written);
  else
    net->save_domain(s.out, domain, written);
  std::printf("%s: names of %s, domain %s%s\n", s.checkpoint.c_str(), std::string(dialect_name(report.dialect)).c_str(),
              s.domain.c_str(), report.auxiliary_from_main ? "; auxiliary sets made from main" : "");
  if (s.sets > 0 && s.sets < there)
    std::printf("%s has %d auxiliary sets: those from %d on were left out\n", s.checkpoint.c_str(), there, s.sets);
  std::printf("%s\n", s.out.c_str());
}

}  // namespace advprop::program
