// From names to the library's attacks.
#include "evaluation_attack.hpp"

#include <algorithm>

#include <advprop/io/text.hpp>

#include "measure.hpp"
#include "scored_images.hpp"

namespace advprop::program {

namespace {

using robustness::evaluation_attack;

std::string title(const std::string& attack) {
  return attack == "pgd"      ? "PGD"
         : attack == "apgd"   ? "APGD"
         : attack == "fab"    ? "FAB"
         : attack == "square" ? "Square"
                              : "ensemble";
}

/// Of the images that are classified correctly, those that a step along the gradient's sign leaves as they are: their
/// gradient is zero in every number.
robustness::attack_evidence zero_gradients(runner& net, const image_batch& clean, const std::vector<char>& correct,
                                           int domain, const random_stream& rng) {
  chosen_attack step;
  step.which = chosen_attack::kind::fgsm;
  step.epsilon = 1;
  image_batch moved = clean;
  net.perturb(moved.images.view(), std::as_const(moved.labels).view(), domain, rng, step);
  robustness::attack_evidence found;
  const std::ptrdiff_t size = clean.images.size() / clean.images.extent(0);
  for (std::size_t i = 0; i < correct.size(); ++i) {
    if (!correct[i]) continue;
    const float* before = clean.images.data() + static_cast<std::ptrdiff_t>(i) * size;
    const float* after = moved.images.data() + static_cast<std::ptrdiff_t>(i) * size;
    ++found.attacked;
    found.zero_gradients += std::equal(before, before + size, after);
  }
  return found;
}

/// PGD from random starts; an image is robust that is classified correctly after each.
attack_scores run_pgd(runner& net, const image_source& images, int first, int count, int domain, const strength& s) {
  chosen_attack pgd = measuring_pgd(s.epsilon, s.steps);
  if (s.norm == attack::norm::l2) pgd.which = chosen_attack::kind::pgd_l2;
  const image_batch clean = read_batch(images, first, count);
  std::vector<char> correct(static_cast<std::size_t>(count)), robust;
  const auto judge = [&](const image_batch& b, std::vector<char>& flags) {
    const auto z = net.logits(b.images.view(), domain);
    for (int i = 0; i < count; ++i) {
      const float* row = z.data() + std::ptrdiff_t{i} * z.extent(1);
      flags[static_cast<std::size_t>(i)] =
          flags[static_cast<std::size_t>(i)] && std::max_element(row, row + z.extent(1)) - row == b.labels(i);
    }
  };
  std::fill(correct.begin(), correct.end(), char{1});
  judge(clean, correct);
  robust = correct;
  robustness::attack_evidence evidence;
  if (s.epsilon > 0) evidence = zero_gradients(net, clean, correct, domain, random_stream(s.seed));
  for (int restart = 0; restart < s.restarts && s.epsilon > 0; ++restart) {
    image_batch attacked = clean;
    const random_stream rng =
        random_stream(s.seed).split(static_cast<std::uint64_t>(first)).split(static_cast<std::uint64_t>(restart));
    net.perturb(attacked.images.view(), std::as_const(attacked.labels).view(), domain, rng, pgd);
    judge(attacked, robust);
  }
  return {count,
          static_cast<int>(std::count(correct.begin(), correct.end(), 1)),
          static_cast<int>(std::count(robust.begin(), robust.end(), 1)),
          {},
          evidence};
}

}  // namespace

std::string strength::key() const {
  std::string k = attack + (norm == attack::norm::l2 ? "/l2" : "/linf") + "/epsilon " + significant(epsilon, 7) +
                  "/restarts " + std::to_string(restarts);
  if (attack != "square") k += "/steps " + std::to_string(steps);
  if (attack == "square" || attack == "ensemble") k += "/queries " + std::to_string(queries);
  return k;
}

std::string strength::name() const {
  return (norm == attack::norm::l2 ? "L2 " : "") + title(attack) + ", ε = " + significant(epsilon, 4);
}

double strength::work() const {
  const double gradient = 3.0 * steps * restarts, square = 0.3 * queries * restarts;  // some fall early
  if (attack == "square") return square;
  if (attack == "fab") return 9 * gradient;
  return attack == "ensemble" ? 8 * gradient + square : gradient;
}

void attack_scores::add(const attack_scores& block) {
  images += block.images;
  correct += block.correct;
  robust += block.robust;
  evidence.attacked += block.evidence.attacked;
  evidence.zero_gradients += block.evidence.zero_gradients;
  if (stages.empty()) {
    stages = block.stages;
    return;
  }
  for (std::size_t i = 0; i < block.stages.size(); ++i) {
    stages[i].left += block.stages[i].left;
    stages[i].evidence.attacked += block.stages[i].evidence.attacked;
    stages[i].evidence.zero_gradients += block.stages[i].evidence.zero_gradients;
  }
}

attack_scores attack_block(runner& net, any_target& target, const image_source& images, int first, int count,
                           int domain, const strength& s) {
  if (s.attack == "pgd") return run_pgd(net, images, first, count, domain, s);
  if (s.attack == "ensemble" && images.classes < 4)
    fail<argument_error>("--robust-attack ensemble: its targeted APGD needs 4 classes or more, there are ",
                         images.classes, "; --robust-attack apgd,fab,square does without");
  robustness::ensemble_options o;
  o.epsilon = s.epsilon;
  o.norm = s.norm;
  o.steps = s.steps;
  o.restarts = s.restarts;
  o.queries = s.queries;
  o.first = first;
  o.images = count;
  o.seed = seed(s.seed);
  if (s.attack == "apgd") o.attacks = {evaluation_attack::apgd_cross_entropy};
  if (s.attack == "fab") o.attacks = {evaluation_attack::fab};
  if (s.attack == "square") o.attacks = {evaluation_attack::square};
  const auto r = target.attacked(images, o);
  return {count,
          static_cast<int>(std::count(r.correct.begin(), r.correct.end(), 1)),
          static_cast<int>(std::count(r.robust.begin(), r.robust.end(), 1)),
          r.stages,
          {}};
}

std::vector<std::string> warnings_of(const attack_scores& r) {
  auto warnings = robustness::stage_warnings(r.images, r.correct, r.stages);
  if (r.evidence.zero_gradients > 0)
    warnings.push_back(std::to_string(r.evidence.zero_gradients) + " of " + std::to_string(r.evidence.attacked) +
                       " images gave PGD a gradient of zero: gradients are masked");
  return warnings;
}

metrics_entry to_json(const attack_scores& r) {
  metrics_entry j = {{"images", r.images}, {"correct", r.correct}, {"robust", r.robust}};
  if (r.stages.empty()) j["attacked"] = r.evidence.attacked, j["zero_gradients"] = r.evidence.zero_gradients;
  for (const auto& s : r.stages)
    j["stages"].push_back({{"attack", robustness::name(s.attack)},
                           {"left", s.left},
                           {"attacked", s.evidence.attacked},
                           {"zero_gradients", s.evidence.zero_gradients}});
  return j;
}

attack_scores attack_scores_of(const metrics_entry& j) {
  attack_scores r{j.at("images"), j.at("correct"), j.at("robust"), {}, {}};
  if (!j.contains("stages")) {
    r.evidence = {j.at("attacked"), j.at("zero_gradients")};
    return r;
  }
  for (const auto& s : j["stages"])
    for (const auto a : robustness::evaluation_attacks)
      if (s.at("attack") == robustness::name(a))
        r.stages.push_back({a, s.at("left"), {s.at("attacked"), s.at("zero_gradients")}});
  return r;
}

}  // namespace advprop::program
