// advprop evaluate: a checkpoint on test images, clean and under attack.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <advprop/io/text.hpp>

#include "checkpoint.hpp"
#include "choices.hpp"
#include "commands.hpp"
#include "data.hpp"
#include "runner.hpp"
#include "table.hpp"

namespace advprop::program {

void evaluate(const settings& given) {
  settings s = given;
  if (s.data == "folder" && s.image_size == 0) s.image_size = native_size(s.model);
  const int domain = domain_of(s);
  if (const int there = auxiliaries_in(s.checkpoint); domain > there)
    fail<argument_error>("--domain ", s.domain, " is out of range: ", s.checkpoint, " has ", there,
                         " auxiliary domains");
  std::vector<chosen_attack> attacks;
  for (std::size_t i = 0; i < s.attacks.size(); ++i) {
    const auto at = [&](const auto& list) { return list[std::min(i, list.size() - 1)]; };
    attacks.push_back(attack_of(s, s.attacks[i], at(s.epsilons), at(s.step_sizes), at(s.steps)));
  }

  const image_source test = load_test_data(s);
  cpu device(s.threads);
  device.convolutions(convolutions_of(s));
  runner_options network;
  network.model = s.model;
  network.shape = {test.image().channels, test.classes};
  network.auxiliaries = domain;  // no more than are needed; the others of the file are passed over
  network.normalization = normalization(s);
  const auto net = make_runner(device, network);
  net->load(s.checkpoint);

  std::vector<std::vector<std::string>> rows = {{"", "top-1", "top-1 error", "top-5", "loss"}};
  const auto measure = [&](const std::string& name, const chosen_attack& attack) {
    const tally t = net->evaluate(test, domain, 0, seed(s.seed), attack).total;
    rows.push_back({name, fixed(100 * t.accuracy(), 2) + " %", fixed(100 * (1 - t.accuracy()), 2) + " %",
                    fixed(100 * t.accuracy5(), 2) + " %", fixed(t.loss(), 4)});
  };
  measure("clean", {});
  for (const auto& a : attacks)
    if (a.which != chosen_attack::kind::none) measure(a.name(), a);
  std::printf("%s, %s on %s test images of %s, domain %s\n%s", s.checkpoint.c_str(), s.model.c_str(),
              grouped(test.size()).c_str(), test.name.c_str(), s.domain.c_str(), aligned(rows).c_str());
}

}  // namespace advprop::program
