// Defaults that depend on other settings, and the settings as JSON and text.
#include "settings.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>

#include <advprop/core/error.hpp>
#include <advprop/io/text.hpp>
#include <advprop/models/efficientnet.hpp>
#include <advprop/training/optimizers.hpp>

#include "choices.hpp"

namespace advprop::program {

namespace {

template <class T>
void spread(std::vector<T>& list, int count, const char* option) {
  if (static_cast<int>(list.size()) == 1) list.resize(static_cast<std::size_t>(count), list[0]);
  if (static_cast<int>(list.size()) != count)
    fail<argument_error>(option, " is given ", list.size(), " times; must be once, or once for each of ", count,
                         " attacks");
}

// A float as the shortest decimal number that gives it back, not as the digits of the double next to it.
metrics_entry number(float v) { return metrics_entry::parse(significant(static_cast<double>(v), 7)); }
metrics_entry numbers(const std::vector<float>& list) {
  metrics_entry result = metrics_entry::array();
  for (const float v : list) result.push_back(number(v));
  return result;
}

/// Some domain's images get that augmentation.
bool augments_by(const settings& s, const std::string& augment) {
  return s.augment == augment || std::count(s.aux_augments.begin(), s.aux_augments.end(), augment) > 0;
}

metrics_entry training(const settings& s) {
  metrics_entry j;
  j["data"] = s.data;
  j["normalization"] = s.normalization;
  j["train-images"] = s.train_images;
  if (s.validation > 0) {
    if (s.validation < 1)
      j["validation"] = s.validation;
    else
      j["validation"] = static_cast<std::int64_t>(s.validation);
    j["select"] = s.select;
    if (s.patience > 0) j["patience"] = s.patience;
  }
  j["augment"] = s.augment;
  if (!s.aux_augments.empty()) j["aux-augment"] = s.aux_augments;
  if (augments_by(s, "rand")) j["magnitude"] = s.magnitude;
  if (s.color_jitter > 0) j["color-jitter"] = number(s.color_jitter);
  if (s.random_erasing > 0) j["random-erasing"] = number(s.random_erasing);
  if (s.mixup > 0) j["mixup"] = number(s.mixup);
  if (s.cutmix > 0) j["cutmix"] = number(s.cutmix);
  if (s.data == "folder") {
    j["image-size"] = s.image_size;
    j["crop-scale"] = number(s.crop_scale);
    j["crop-fraction"] = s.crop_fraction;
    j["interpolation"] = s.interpolation;
    j["broken"] = s.broken;
  }
  j["model"] = s.model;
  j["zero-last-scale"] = s.zero_last_scale;
  if (s.stochastic_depth >= 0) j["stochastic-depth"] = number(s.stochastic_depth);
  if (!s.initial.empty()) j["initial"] = in_utf8(s.initial);
  j["method"] = s.method;
  if (s.method != "clean") {
    if (s.method == "advprop") j["aux"] = s.auxiliaries;
    j["attack"] = s.attacks;
    j["epsilon"] = numbers(s.epsilons);
    j["step"] = numbers(s.step_sizes);
    j["steps"] = s.steps;
    j["goal"] = s.goal;
    j["start"] = s.start;
    j["clean-start"] = number(s.clean_start);
    j["attack-statistics"] = s.attack_statistics;
    j["attack-noise"] = s.attack_noise;
    j["matched-noise"] = s.matched_noise;
    if (s.method == "adversarial") j["adversarial-only"] = s.adversarial_only;
    if (s.method == "advprop") {
      j["execution"] = s.execution;
      j["share"] = numbers(s.shares);
      j["decoupled"] = s.decoupled;
    }
    j["weights"] = numbers(s.weights);
  }
  j["epochs"] = s.epochs;
  j["batch"] = s.batch;
  if (s.micro_batch > 0) j["micro-batch"] = s.micro_batch;
  j["optimizer"] = s.optimizer;
  j["learning-rate"] = number(*s.learning_rate);
  if (s.optimizer != "adamw") j["momentum"] = number(s.momentum);
  if (s.optimizer == "sgd") j["nesterov"] = s.nesterov;
  if (s.optimizer == "rmsprop") j["rms-decay"] = number(s.rms_decay);
  if (s.optimizer == "adamw") j["beta1"] = number(s.beta1), j["beta2"] = number(s.beta2);
  if (s.optimizer_epsilon > 0) j["optimizer-epsilon"] = number(s.optimizer_epsilon);
  if (!s.layer_rates.empty()) j["layer-rates"] = s.layer_rates;
  j["weight-decay"] = number(*s.weight_decay);
  j["decay-biases"] = *s.decay_biases;
  if (s.decay_norms) j["decay-norms"] = true;
  if (s.average > 0) j["average"] = s.average;
  j["clip-norm"] = number(s.clip_norm);
  j["label-smoothing"] = number(s.label_smoothing);
  j["schedule"] = s.schedule;
  j["warm-up"] = s.warm_up;
  if (s.schedule == "step") j["milestones"] = s.milestones;
  if (s.schedule == "exponential" || s.schedule == "staircase")
    j["decay-rate"] = s.decay_rate, j["decay-every"] = s.decay_every;
  j["seed"] = s.seed;
  j["convolution"] = s.convolution;

  return j;
}

/// Fills in what is not given.
template <class Optimizer>
void complete(settings& s, const Optimizer& own) {
  if (!s.learning_rate) s.learning_rate = own.learning_rate;
  if (!s.weight_decay) s.weight_decay = own.weight_decay;
  if (!s.decay_biases) s.decay_biases = own.decay_rule == decay_rule::weights_and_biases;
}

}  // namespace

int native_size(const std::string& model) {
  namespace net = efficientnet;
  static constexpr std::pair<const char*, int> sizes[] = {
      {"b1", net::b1::resolution},    {"b2", net::b2::resolution},   {"b3", net::b3::resolution},
      {"b4", net::b4::resolution},    {"b5", net::b5::resolution},   {"b6", net::b6::resolution},
      {"b7", net::b7::resolution},    {"b8", net::b8::resolution},  //
      {"lite1", net::b1::resolution}, {"lite2", net::b2::resolution}};
  for (const auto& [end, size] : sizes)
    if (const auto name = std::string("efficientnet-") + end; model == name || model == name + "-torchvision")
      return size;
  return 224;
}

void complete_attacks(settings& s, int count) {
  spread(s.attacks, count, "--attack");
  // 0.5 of images in [0,1], at which robustness in L2 is usually measured.
  if (s.epsilons.empty())
    for (const auto& attack : s.attacks) s.epsilons.push_back(attack == "pgd-l2" ? 127.5f : 4);
  spread(s.epsilons, count, "--epsilon");
  spread(s.steps, count, "--steps");
  if (s.step_sizes.empty()) s.step_sizes = {0};
  spread(s.step_sizes, count, "--step");
  for (std::size_t i = 0; i < s.attacks.size(); ++i)  // as the library's attacks; gd has no ball whose edge to reach
    if (float& step = s.step_sizes[i]; step == 0)
      step = s.attacks[i] == "gd"
                 ? 1
                 : attack::detail::step_for(0, s.epsilons[i], std::max(1, s.steps[i]), s.attacks[i] == "pgd-l2");
  // The length of a whole change may be more than a pixel's largest.
  const auto check = [&](const std::vector<float>& list, const char* option) {
    for (std::size_t i = 0; i < list.size(); ++i)
      if (s.attacks[i] != "pgd-l2" && !(list[i] <= 255))
        fail<argument_error>(option, " is ", list[i], " for --attack ", s.attacks[i], ", must be in [0, 255]");
  };
  check(s.epsilons, "--epsilon");
  check(s.step_sizes, "--step");
}

std::string in_utf8(const std::string& path) {
  return metrics_entry::parse(metrics_entry(path).dump(-1, ' ', false, metrics_entry::error_handler_t::replace));
}

bool own_stream(const settings& s, std::size_t i) {
  return s.method == "advprop" && (s.attacks[i] == "none" || s.aux_augments[i] != s.augment);
}

settings resolved(settings s) {
  if (s.method == "clean") {
    if (!s.attacks.empty() && s.attacks != std::vector<std::string>{"none"})
      fail<argument_error>("--attack has no use with --method clean; adversarial or advprop trains on attacked images");
    s.attacks.clear();
    s.auxiliaries = 0;
  } else {
    if (s.method == "adversarial") s.auxiliaries = 0;
    if (s.method == "advprop" && s.auxiliaries < 1)
      fail<argument_error>("--aux is ", s.auxiliaries, ", must be 1 or more");
    const int count = std::max(1, s.auxiliaries);
    if (s.attacks.empty()) s.attacks = {"pgd"};
    complete_attacks(s, count);
    if (s.weights.empty()) s.weights.assign(static_cast<std::size_t>(count) + 1, 1.f);
    if (static_cast<int>(s.weights.size()) != count + 1)
      fail<argument_error>("--weights must be ", count + 1, " numbers, the clean loss's and ", count, " more, not ",
                           s.weights.size());
    if (std::count(s.weights.begin(), s.weights.end(), 0.f) == count + 1)
      fail<argument_error>("--weights are all 0, so that nothing would be learned");
  }
  if (s.method == "advprop") {
    if (s.shares.empty()) s.shares = {1};
    spread(s.shares, s.auxiliaries, "--share");
    // A domain without an attack has to differ from the main one in something.
    if (s.aux_augments.empty())
      for (const auto& attack : s.attacks)
        s.aux_augments.push_back(attack != "none" ? s.augment : s.data == "folder" ? "auto" : "cutout");
    spread(s.aux_augments, s.auxiliaries, "--aux-augment");
    bool all_own = true;
    for (std::size_t i = 0; i < s.attacks.size(); ++i) all_own = all_own && own_stream(s, i);
    if (s.decoupled && all_own)
      fail<argument_error>(
          "--decoupled is for auxiliary domains that take a share of the main images: with --attack none, or another "
          "--aux-augment than --augment, they have images of their own");
    for (std::size_t i = 0; i < s.attacks.size(); ++i)
      if (s.attacks[i] == "none" && (s.aux_augments[i] == "none" || s.aux_augments[i] == s.augment))
        fail<argument_error>("--aux-augment ", s.aux_augments[i],
                             s.aux_augments[i] == "none" ? "" : " beside the same --augment",
                             " leaves nothing for a domain with --attack none");
  } else if (!s.aux_augments.empty()) {
    fail<argument_error>("--aux-augment is for auxiliary domains: --method advprop");
  } else if (!s.shares.empty() || s.decoupled) {
    fail<argument_error>("--share and --decoupled are for auxiliary domains: --method advprop");
  }
  if (s.select == "best" && s.validation == 0)
    fail<argument_error>("--select best needs --validation: the best by test accuracy would be too good to be true");
  if (s.data == "folder" && s.image_size == 0) s.image_size = native_size(s.model);
  if (s.data != "folder" && s.image_size != 0)
    fail<argument_error>("--image-size is for --data folder; the images of ", s.data, " have their size");
  if (s.method == "adversarial" && s.attacks[0] == "none")
    fail<argument_error>("--attack none makes no adversarial images; use --method clean");

  if (s.micro_batch >= s.batch) s.micro_batch = 0;
  if (s.optimizer == "rmsprop")
    complete(s, rmsprop{});
  else if (s.optimizer == "adamw")
    complete(s, adamw{});
  else
    complete(s, sgd{.weight_decay = 5e-4f});
  if (s.schedule != "step" && !s.milestones.empty())
    fail<argument_error>("--milestones is for --schedule step, not ", s.schedule);
  if (s.schedule == "step" && s.milestones.empty()) s.milestones = {0.5 * s.epochs, 0.75 * s.epochs};
  if (!s.headline) {
    // FGSM and PGD measure changes of every pixel, so that another norm's epsilon is none of theirs.
    float largest = -1;
    for (std::size_t i = 0; i < s.epsilons.size(); ++i)
      if (i >= s.attacks.size() || s.attacks[i] != "pgd-l2") largest = std::max(largest, s.epsilons[i]);
    s.headline = largest < 0 ? 4 : largest;
  }
  const float strength = *s.headline;
  auto& list = s.robust_epsilons;
  if (list.empty()) list = {strength / 2, strength, 2 * strength};
  list.push_back(strength);  // the one that results are named by
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  std::erase(list, 0.f);  // no attack is measured anyhow
  std::sort(s.severities.begin(), s.severities.end());
  s.severities.erase(std::unique(s.severities.begin(), s.severities.end()), s.severities.end());
  return s;
}

metrics_entry to_json(const settings& s) {
  metrics_entry j = training(s);
  j["test-images"] = s.test_images;
  j["robust-images"] = s.robust_images;
  j["robust-steps"] = s.robust_steps;
  j["robust-epsilon"] = numbers(s.robust_epsilons);
  if (!s.corruptions.empty()) {
    j["corruptions"] = s.corruptions;
    j["severities"] = s.severities;
    j["corruption-images"] = s.corruption_images;
  }
  j["device"] = s.device;
  if (s.device != "cpu") j["engines"] = s.engines;
  j["threads"] = s.threads;
  j["workers"] = s.workers;
  return j;
}

std::vector<std::pair<std::string, std::string>> described(const settings& s) {
  std::vector<std::pair<std::string, std::string>> result;
  const auto text = [](const metrics_entry& v) {
    if (v.is_string()) return v.get<std::string>();
    if (v.is_boolean()) return std::string(v.get<bool>() ? "yes" : "no");
    return v.dump();
  };
  const metrics_entry all_settings = to_json(s);
  for (const auto& [name, value] : all_settings.items()) {
    std::string all;
    if (value.is_array())
      for (const auto& v : value) all += (all.empty() ? "" : ", ") + text(v);
    else
      all = text(value);
    if (name.ends_with("images") && all == "0") all = "all";
    if (name == "threads" && all == "0") all = "as many as processors";
    result.emplace_back(name, all);
  }
  return result;
}

std::string identity(const settings& s, const data_contents& content) {
  metrics_entry j = training(s);
  j.erase("patience");
  if (!schedule_of(s).by_length()) j.erase("epochs");
  j["test-images"] = s.test_images;  // on which epochs were measured
  j["content of training images"] = content.training;
  j["content of test images"] = content.test;
  return j.dump();
}

void check_output(const settings& s, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    std::error_code none;  // one of the two is not there
    if (std::filesystem::equivalent(s.out, input, none))
      fail<argument_error>("--out is ", s.out, ", which is read: it would be lost");
  }
}

std::string changes(const metrics_entry& old, const metrics_entry& now) {
  std::string text;
  const auto note = [&](const std::string& name) {
    if (old.contains(name) && now.contains(name) && old[name] == now[name]) return;
    const auto value = [&](const metrics_entry& j) { return j.contains(name) ? j[name].dump() : "none"; };
    text += (text.empty() ? "" : "; ") + name + " was " + value(old) + ", is " + value(now);
  };
  for (const auto& [name, value] : old.items()) note(name);
  for (const auto& [name, value] : now.items())
    if (!old.contains(name)) note(name);
  return text;
}

}  // namespace advprop::program
