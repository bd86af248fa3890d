// Attacks for evaluation on a block of images.
#pragma once

#include <string>
#include <vector>

#include <advprop/io/metrics.hpp>
#include <advprop/robustness/ensemble.hpp>

#include "runner.hpp"

namespace advprop::program {

/// Which attack, how strong.
struct strength {
  std::string attack;  // pgd, apgd, fab, square, ensemble
  float epsilon = 8;   // pixels of 255
  attack::norm norm = attack::norm::linf;
  int steps = 100, restarts = 1, queries = 5000;
  std::uint64_t seed = 0;

  /// What a result depends on besides network and images.
  std::string key() const;
  /// Such as "APGD, ε = 4".
  std::string name() const;
  /// How much longer than looking at it an image takes, about.
  double work() const;
};

struct attack_scores {
  int images = 0, correct = 0, robust = 0;
  std::vector<robustness::ensemble_result::stage> stages;  // none for pgd
  robustness::attack_evidence evidence;                    // of pgd

  void add(const attack_scores& block);
};

/// What speaks against such a result.
std::vector<std::string> warnings_of(const attack_scores& r);

/// Images [first, first + count), independently of those around.
attack_scores attack_block(runner& net, any_target& target, const image_source& images, int first, int count,
                           int domain, const strength& s);

metrics_entry to_json(const attack_scores& r);
attack_scores attack_scores_of(const metrics_entry& j);

}  // namespace advprop::program
