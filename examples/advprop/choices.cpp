// From settings to what the library takes, by the names in names.hpp.
#include "choices.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <system_error>

#include "data.hpp"
#include "names.hpp"

namespace advprop::program {

chosen_attack attack_of(const settings& s, const std::string& name, float epsilon, float step, int steps) {
  chosen_attack a;
  a.which = named_in(attack_names, "--attack", name);
  a.epsilon = epsilon;
  a.step = step;
  a.steps = steps;
  a.goal = named_in(goal_names, "--goal", s.goal);
  a.start = named_in(start_names, "--start", s.start);
  a.clean_start = s.clean_start;
  a.dropped = s.attack_noise;
  a.source = named_in(statistics_names, "--attack-statistics", s.attack_statistics);
  return a;
}

runner_options network_of(const settings& s, data_shape shape) {
  runner_options network;
  network.model = s.model;
  network.shape = shape;
  network.auxiliaries = s.auxiliaries;
  network.normalization = normalization(s);
  network.seed = seed(s.seed);
  network.zero_last_scale = s.zero_last_scale;
  network.stochastic_depth = s.stochastic_depth;
  return network;
}

chosen_method method_of(const settings& s) {
  chosen_method m;
  m.which = named_in(method_names, "--method", s.method);
  m.weights = s.weights;
  m.mixture = !s.adversarial_only;
  m.concatenated = named_in(execution_names, "--execution", s.execution);
  m.matched_noise = s.matched_noise;
  m.shares = s.shares;
  m.decoupled = s.decoupled;
  int stream = 0;
  for (std::size_t i = 0; i < s.attacks.size(); ++i) {
    m.attacks.push_back(attack_of(s, s.attacks[i], s.epsilons[i], s.step_sizes[i], s.steps[i]));
    m.streams.push_back(own_stream(s, i) ? ++stream : 0);
  }
  return m;
}

std::vector<std::string> streams_of(const settings& s) {
  std::vector<std::string> streams = {s.augment};
  for (std::size_t i = 0; i < s.aux_augments.size(); ++i)
    if (own_stream(s, i)) streams.push_back(s.aux_augments[i]);
  return streams;
}

std::vector<layer_rate> layer_rates_of(const settings& s) {
  std::vector<layer_rate> rates;
  for (const std::string& text : s.layer_rates) {
    const auto equals = text.find('=');
    const char* const end = text.data() + text.size();
    float factor = 0;
    const auto [read, error] = std::from_chars(text.data() + std::min(equals, text.size() - 1) + 1, end, factor);
    if (equals == 0 || equals == text.npos || error != std::errc() || read != end)
      fail<argument_error>("--layer-rates: ", text, " is not NAME=FACTOR");
    const std::string name = text.substr(0, equals);
    rates.push_back({name == "*" ? "" : name, factor});
  }
  return rates;
}

chosen_optimizer optimizer_of(const settings& s) {
  const decay_rule rule = s.decay_norms     ? decay_rule::all
                          : *s.decay_biases ? decay_rule::weights_and_biases
                                            : decay_rule::weights;
  const auto filled = [&](auto o) {
    o.learning_rate = *s.learning_rate;
    o.weight_decay = *s.weight_decay;
    o.decay_rule = rule;
    o.clip_norm = s.clip_norm;
    o.layer_rates = layer_rates_of(s);
    return o;
  };
  if (s.optimizer == "rmsprop") {
    rmsprop o = filled(rmsprop{});
    o.decay = s.rms_decay;
    o.momentum = s.momentum;
    if (s.optimizer_epsilon > 0) o.epsilon = s.optimizer_epsilon;
    return o;
  }
  if (s.optimizer == "adamw") {
    adamw o = filled(adamw{});
    o.beta1 = s.beta1;
    o.beta2 = s.beta2;
    if (s.optimizer_epsilon > 0) o.epsilon = s.optimizer_epsilon;
    return o;
  }
  sgd o = filled(sgd{});
  o.momentum = s.momentum;
  o.nesterov = s.nesterov;
  return o;
}

resampling filter_of(const settings& s) { return named_in(filter_names, "--interpolation", s.interpolation); }

dialect dialect_of(const settings& s) { return named_in(dialect_names, "--names", s.names); }

void tell_of_names(const std::string& file, const std::string& model, dialect names) {
  if (names != dialect::torchvision || !model.starts_with("efficientnet-b") || model.ends_with("-torchvision")) return;
  std::fprintf(
      stderr,
      "%s: has torchvision's names, but %s is timm's tf_efficientnet, which pads otherwise; torchvision's B0 to B7 are "
      "--model efficientnet-b0-torchvision to efficientnet-b7-torchvision\n",
      file.c_str(), model.c_str());
}

convolution_policy convolutions_of(const settings& s) {
  return named_in(convolution_names, "--convolution", s.convolution);
}

int domain_of(const settings& s) {
  const std::string& name = s.domain;
  if (name == "main") return 0;
  int k = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), k);
  if (error != std::errc() || end != name.data() + name.size() || k < 0 || k > 1000)
    fail<argument_error>("--domain is ", name, ", must be main or the number of an auxiliary domain");
  return k + 1;
}

schedule schedule_of(const settings& s) {
  schedule result;
  result.kind = named_in(schedule_names, "--schedule", s.schedule);
  result.warm_up = s.warm_up;
  result.milestones = s.milestones;
  if (s.schedule == "exponential" || s.schedule == "staircase") {
    result.decay = s.decay_rate;
    result.every = s.decay_every;
  }
  return result;
}

}  // namespace advprop::program
