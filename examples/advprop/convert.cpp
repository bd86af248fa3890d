// advprop convert: the same numbers under other names, or with other domains.
#include <algorithm>
#include <cstdio>

#include "checkpoint.hpp"
#include "choices.hpp"
#include "commands.hpp"
#include "runner.hpp"

namespace advprop::program {

void convert(const settings& s) {
  const int domain = domain_of(s), there = auxiliaries_in(s.checkpoint);
  if (domain > there)
    fail<argument_error>("--domain ", s.domain, " is out of range: ", s.checkpoint, " has ", there,
                         " auxiliary domains");
  if (s.sets > 0 && domain > 0)
    fail<argument_error>("--domain ", s.domain, " makes an ordinary network, --aux ", s.sets,
                         " one with auxiliary sets: give one of them");
  any_device device(std::make_unique<cpu>(s.threads));
  runner_options network;
  network.model = s.model;
  network.shape = {s.channels, s.classes};
  network.auxiliaries = std::max(domain, s.sets);
  network.normalization = {std::vector<float>(static_cast<std::size_t>(s.channels), 0.f),
                           std::vector<float>(static_cast<std::size_t>(s.channels), 1.f)};  // no part of a checkpoint
  const auto net = make_runner(device, network);
  const load_report report = net->load(s.checkpoint);
  tell_of_names(s.checkpoint, s.model, report.dialect);
  tell_of_names(s.out, s.model, dialect_of(s));
  if (s.sets > 0)
    net->save(s.out, dialect_of(s));
  else
    net->save_domain(s.out, domain, dialect_of(s));
  std::printf("%s: names of %s, domain %s%s\n", s.checkpoint.c_str(), std::string(dialect_name(report.dialect)).c_str(),
              s.domain.c_str(), report.auxiliary_from_main ? "; auxiliary sets made from main" : "");
  if (s.sets > 0 && s.sets < there)
    std::printf("%s has %d auxiliary sets: those from %d on were left out\n", s.checkpoint.c_str(), there, s.sets);
  std::printf("%s\n", s.out.c_str());
}

}  // namespace advprop::program
