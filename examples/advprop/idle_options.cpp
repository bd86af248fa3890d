// Which option needs which.
#include "idle_options.hpp"

#include <algorithm>
#include <initializer_list>
#include <sstream>
#include <string_view>

#include <advprop/core/error.hpp>

namespace advprop::program {

namespace {

struct rule {
  const char* options;  // with spaces between
  bool counts;
  const char* needed;
};

bool any_of(const std::vector<std::string>& list, std::initializer_list<std::string_view> names) {
  return std::find_first_of(list.begin(), list.end(), names.begin(), names.end()) != list.end();
}

rule rule_of_engines(const settings& s) {
  return {"--engines", s.device != "cpu", "--device cuda, cuda-tf32 and cuda-bfloat16"};
}

/// Of all commands that read test images.
std::vector<rule> rules_of_images(const settings& s, const std::string& command) {
  auto corruptions = s.corruptions;
  if (command == "corrupt" && corruptions.empty()) corruptions = {"all"};
  return {{"--image-size --crop-scale --crop-fraction --interpolation --broken --cache --classes", s.data == "folder",
           "--data folder"},
          {"--severities --corruption-images --corrupted", !corruptions.empty(), "--corruptions"},
          {"--frost", any_of(corruptions, {"all", "frost"}) && s.corrupted.empty(),
           "--corruptions all or frost that are made here"},
          rule_of_engines(s)};
}

/// Of attacks: none where nothing is attacked, and then `needed` is what is missing.
std::vector<rule> rules_of_attacks(const settings& s, const std::vector<std::string>& attacks, const char* needed) {
  const bool any = any_of(attacks, {"fgsm", "ifgsm", "pgd", "pgd-l2", "mifgsm", "gd"});
  return {
      {"--goal --attack-statistics", any, needed},
      {"--step --steps", any_of(attacks, {"ifgsm", "pgd", "pgd-l2", "mifgsm", "gd"}),
       any ? "attacks of several steps" : needed},
      {"--start --clean-start", any_of(attacks, {"pgd", "pgd-l2", "gd"}), any ? "--attack pgd, pgd-l2 and gd" : needed},
      {"--clean-start", s.start != "image", "--start uniform"}};
}

/// Images of the main domain or an auxiliary one are changed at random. A domain without an attack is, unless told.
bool augmented(const settings& s, bool advprop) {
  if (s.augment != "none") return true;
  if (!advprop) return false;
  return s.aux_augments.empty() ? any_of(s.attacks, {"none"})
                                : any_of(s.aux_augments, {"basic", "cutout", "auto", "rand"});
}

std::vector<rule> rules_of_training(const settings& s, bool all_methods) {
  const bool attacked = all_methods || s.method != "clean", advprop = all_methods || s.method == "advprop";
  auto attacks = s.attacks;
  if (attacked && attacks.empty()) attacks = {"pgd"};
  std::vector<rule> rules = {
      {"--micro-batch", s.micro_batch < s.batch, "a --batch of more images"},
      {"--magnitude", s.augment == "rand" || any_of(s.aux_augments, {"rand"}), "--augment rand"},
      {"--color-jitter --random-erasing --crop-scale", augmented(s, advprop), "--augment other than none"},
      {"--momentum", s.optimizer != "adamw", "--optimizer sgd and rmsprop"},
      {"--nesterov", s.optimizer == "sgd", "--optimizer sgd"},
      {"--rms-decay", s.optimizer == "rmsprop", "--optimizer rmsprop"},
      {"--beta1 --beta2", s.optimizer == "adamw", "--optimizer adamw"},
      {"--optimizer-epsilon", s.optimizer != "sgd", "--optimizer rmsprop and adamw"},
      {"--decay-rate --decay-every", s.schedule == "exponential" || s.schedule == "staircase",
       "--schedule exponential and staircase"},
      {"--select", s.validation > 0, "--validation"},
      {"--patience", s.select == "best", "--select best"},
      {"--spare-biases", !s.decay_norms, "training without --decay-norms"},
      {"--new-classifier", !s.initial.empty(), "--initial"},
      {"--zero-last-scale", s.initial.empty(), "training without --initial"},
      {"--stochastic-depth --matched-noise --attack-noise", s.model.starts_with("efficientnet"), "EfficientNets"},
      {"--weights --matched-noise --attack-noise", attacked, "--method adversarial and advprop"},
      {"--weights", all_methods || !s.adversarial_only, "training with several losses"},
      {"--warm-up", s.warm_up < s.epochs, "fewer epochs than the run has"},
      {"--adversarial-only", all_methods || s.method == "adversarial", "--method adversarial"},
      {"--aux --execution", advprop, "--method advprop"}};
  const auto more =
      rules_of_attacks(s, attacks, attacked ? "attacks other than none" : "--method adversarial and advprop");
  rules.insert(rules.end(), more.begin(), more.end());
  return rules;
}

std::vector<rule> rules_of_evaluation(const settings& s) {
  const bool robust = !s.robust_attacks.empty();
  const bool other_classes =
      !s.imagenet_a.empty() || !s.imagenet_r.empty() || !s.stylized.empty() || !s.cue_conflict.empty();
  std::vector<rule> rules = rules_of_attacks(s, s.attacks, "--attack");
  rules.insert(
      rules.end(),
      {{"--epsilon", !s.attacks.empty(), "--attack"},
       {"--robust-epsilon --robust-norm --robust-restarts --robust-images", robust, "--robust-attack"},
       {"--robust-steps", any_of(s.robust_attacks, {"pgd", "apgd", "fab", "ensemble"}),
        "--robust-attack pgd, apgd, fab and ensemble"},
       {"--robust-queries", any_of(s.robust_attacks, {"square", "ensemble"}), "--robust-attack square and ensemble"},
       {"--class-list", other_classes, "published test sets"},
       {"--force", !s.out.empty(), "--out"}});
  return rules;
}

}  // namespace

void refuse_idle(const settings& s, const std::string& command, const std::vector<std::string>& words) {
  std::vector<rule> rules;
  const bool training = command == "train" || command == "compare" || command == "plan";
  if (training) rules = rules_of_training(s, command == "compare");
  if (command == "evaluate") rules = rules_of_evaluation(s);
  if (command == "predict") rules = {rule_of_engines(s)};
  if (training || command == "evaluate" || command == "corrupt") {
    const auto more = rules_of_images(s, command);
    rules.insert(rules.end(), more.begin(), more.end());
  }
  for (const auto& r : rules) {
    if (r.counts) continue;
    std::istringstream options(r.options);
    for (std::string option; options >> option;)
      if (std::any_of(words.begin(), words.end(), [&](const auto& w) { return w.substr(0, w.find('=')) == option; }))
        fail<argument_error>(option, " is for ", r.needed);
  }
}

}  // namespace advprop::program
