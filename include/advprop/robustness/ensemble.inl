// The definitions of ensemble.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/robustness/ensemble.hpp>

namespace advprop::robustness {

ADVPROP_API std::string description(const ensemble_options& o) {
  std::string s = o.norm == attack::norm::l2 ? "L2" : "L-infinity";
  ((s += ", epsilon ") += shortest(o.epsilon)) += "/255; ";
  for (std::size_t i = 0; i < o.attacks.size(); ++i) {
    (s += i ? ", " : "") += name(o.attacks[i]);
    if (o.attacks[i] == evaluation_attack::square)
      ((s += " (") += std::to_string(o.queries)) += " queries)";
    else
      ((s += " (") += std::to_string(o.steps)) += " steps";
    if (o.attacks[i] == evaluation_attack::apgd_targeted || o.attacks[i] == evaluation_attack::fab)
      ((s += ", ") += std::to_string(o.targets)) += " targets";
    if (o.attacks[i] != evaluation_attack::square) s += ")";
  }
  ((s += "; restarts ") += std::to_string(o.restarts)) += "; domain ";
  (s += std::to_string(o.through.index())) += ", running statistics; ";
  ((s += std::to_string(o.images)) += " images; seed ") += std::to_string(o.seed.value);
  return s;
}

ADVPROP_API double ensemble_result::share(const std::vector<char>& flags) {
  if (flags.empty()) return 0;
  return double(std::ranges::count(flags, char{1})) / static_cast<double>(flags.size());
}

ADVPROP_API std::vector<std::string> stage_warnings(int images, int correct,
                                                    std::span<const ensemble_result::stage> stages) {
  std::vector<std::string> warnings;
  bool gradients = false;
  int before = correct;
  for (const auto& s : stages) {
    if (s.evidence.zero_gradients > 0) {
      std::string w = std::to_string(s.evidence.zero_gradients) + " of " + std::to_string(s.evidence.attacked);
      ((w += " images gave ") += name(s.attack)) += " a gradient of zero: gradients are masked";
      warnings.push_back(std::move(w));
    }
    const int fooled = before - s.left;
    if (s.attack == evaluation_attack::square && gradients && fooled > 0.002 * images) {
      std::string w = "Square, which uses no gradient, fooled " + std::to_string(fooled);
      warnings.push_back(w += " images that the attacks before it did not: gradients are masked");
    }
    gradients = gradients || s.attack != evaluation_attack::square;
    before = s.left;
  }
  return warnings;
}

}  // namespace advprop::robustness
